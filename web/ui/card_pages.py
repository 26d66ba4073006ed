"""The pages on which people make cards: a gallery of templates, and for each a form with a preview and code to copy.

A form is a link: it is sent by GET, and the picture beside it is a card like any other. Where addresses are signed, the page
signs for an admin, and for a person who sends the form with a key.
"""

from flask import Blueprint, Response, request

from errors import ThumbnailError
from services import Services
from web.http.addresses import base_url
from web.http.budgets import Budgets
from web.http.card_links import CardLinks
from web.http.card_paths import find_template
from web.http.origins import refuse_foreign_writes
from web.ui.access import is_admin
from web.ui.card_forms import CardForm, card_snippets
from web.ui.door import KEY
from web.ui.error_pages import show_errors
from web.ui.pages import page
from web.ui.playground import Captures
from web.ui.wording import sentence_about

_FOREIGN = "pages of other web sites must not sign cards here; open this page itself"


def blueprint(services: Services, budgets: Budgets) -> Blueprint:
    views = Blueprint("card_pages", __name__)
    show_errors(views)
    refuse_foreign_writes(views, (), _FOREIGN)
    if not services.settings.playground:
        return views
    links, captures = CardLinks(services), Captures(services, budgets)

    @views.get("/cards")
    def gallery() -> Response:
        """Show all templates. Their examples are few and ours, so their addresses are signed for everybody."""
        shown = [
            (each, [(width, links.path(each, each.example, width=width)) for width in (480, 960)])
            for each in services.templates.values()
        ]
        return page("card_gallery.html", shown=shown)

    @views.get("/cards/templates/<name>")
    def form(name: str) -> Response:
        template, given = find_template(services, name), list(request.args.items(multi=True))
        may_sign = not services.access.signing_keys or is_admin()
        known = [each for each in given if each[0] in template.variables]
        if not known:
            return show(CardForm.example(template, restricted=not may_sign), signs=True)
        return show(CardForm.read(template, known, restricted=not may_sign), signs=may_sign)

    @views.post("/cards/templates/<name>")
    def sign(name: str) -> Response:
        """Sign a card for a person with a key."""
        template = find_template(services, name)
        shown = CardForm.read(template, request.form.items(multi=True), restricted=True)
        try:
            captures.identify(request.form.get(KEY, "").strip())
        except ThumbnailError as err:
            wrong = {**shown.wrong, KEY: sentence_about("The key", err.reason)}
            shown = CardForm(template, shown.values, None, wrong, restricted=True)
        response = show(shown, signs=True)
        response.headers["Cache-Control"] = "no-store"
        return response

    def show(shown: CardForm, *, signs: bool) -> Response:
        """Show a form, with its picture and code if there is data, and they may be signed."""
        made = shown.data if signs else None
        address = links.write(shown.template, made) if made else ""
        pictures = [(width, links.path(shown.template, made, width=width)) for width in (640, 1200)] if made else []
        code = card_snippets(shown, address, services.settings.public_url or base_url()) if made else ()
        status = 400 if shown.wrong else 200
        return page(
            "card_maker.html", status, form=shown, pictures=pictures, snippets=code, tab=request.values.get("code")
        )

    return views
