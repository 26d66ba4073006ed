"""The page that checks how networks show a shared page: a person types its URL, and sees the cards and what is the matter.

Only a POST from this page captures. A link fills the form, and shows the cards of a page that is known already.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from flask import Blueprint, Response, request

from errors import RateLimited, ThumbnailError
from metadata import Metadata, ShareCheck, SharedPage, check
from model import ThumbnailRequest
from services import Services
from thumbnails import Ask, NoCharge
from web.http.budgets import Budgets
from web.http.origins import refuse_foreign_writes
from web.http.own_cards import OwnCards
from web.http.page_links import PageLinks
from web.http.request_log import log_facts, request_id
from web.ui.access import is_admin
from web.ui.controls import URL
from web.ui.door import KEY
from web.ui.error_pages import show_errors
from web.ui.pages import page
from web.ui.playground import EXAMPLE, Captures
from web.ui.snippets import query_of
from web.ui.wording import sentence_about

_WAIT = 20  # seconds for a capture: then the page asks again
_AGAIN = "fresh"  # the button that captures a known page again
_FOREIGN = "pages of other web sites must not check pages here; open this page itself"
_LABELS = {URL: "The address", KEY: "The key"}


class KnownOnly(NoCharge):
    """Pays for nothing: a link may be followed by anybody, and shows what is known."""

    def __call__(self) -> None:
        raise RateLimited("nothing is captured for a link")

    def rendition(self) -> None:
        raise RateLimited("nothing is fetched for a link")


@dataclass(frozen=True, slots=True)
class Checked:
    """What came of a form or a link. `pictures` are the paths of the pictures that were fetched, by their tags."""

    known: Metadata | None = None
    shared: SharedPage | None = None
    result: ShareCheck | None = None
    pictures: Mapping[str, str] = field(default_factory=dict)
    error: ThumbnailError | None = None

    @property
    def wrong(self) -> dict[str, str]:
        """What is wrong with the fields of the form, by their names."""
        named = self.error.field if self.error else ""
        return {named: sentence_about(_LABELS[named], self.error.reason)} if self.error and named in _LABELS else {}

    @property
    def state(self) -> str:
        if self.result is not None:
            return "ready"
        if self.error is None:
            return "nothing"
        return "pending" if self.error.code == "pending" else "failed"


class ShareChecks:
    """Checks pages for people, as `/cards/check.json` does for programs."""

    def __init__(self, services: Services, budgets: Budgets) -> None:
        self._services = services
        self._budgets = budgets
        self._captures = Captures(services, budgets)
        self._links = PageLinks(services)
        self._own = OwnCards(services)

    def look(self, url: str) -> Checked:
        """Return the cards of a page that is known already. Nothing is captured, fetched or charged."""
        if not url or self._services.access.restricted:
            return Checked()
        try:
            return self._checked(Ask(self._read(url), KnownOnly(), request_id()), url)
        except ThumbnailError:
            return Checked()  # the form says so once it is sent

    def take(self, url: str, key: str, *, again: bool) -> Checked:
        """Return the cards of the page that a form names, captured anew with `again`, or the error."""
        try:
            caller = self._captures.identify(key)
            wanted = self._read(url)
            log_facts(host=wanted.target.netloc)
            asked = replace(wanted, delivery=replace(wanted.delivery, wait=_WAIT, fresh=again))
            charge = self._budgets.charge_of(caller.name, caller.own_limit)
            return self._checked(Ask(asked, charge, request_id()), url)
        except ThumbnailError as err:
            log_facts(code=err.code)
            return Checked(error=err)

    def _read(self, url: str) -> ThumbnailRequest:
        wanted = self._services.thumbnailer.settle(
            self._services.validator.parse_query(query_of(((URL, url),)).encode())
        )
        self._services.access.require_target(wanted.target)
        return wanted

    def _checked(self, ask: Ask, url: str) -> Checked:
        known = self._services.metadata.get(ask)
        self._own.draw(known, ask)
        shared = self._services.shares.of(known, ask)
        fetched = [tag for tag, picture in shared.pictures.items() if not picture.problem]
        paths = {tag: self._links.path("/cards/picture", ((URL, url),), tag=tag) for tag in fetched}
        return Checked(known, shared, check(shared), paths)


def blueprint(services: Services, budgets: Budgets) -> Blueprint:
    views = Blueprint("share_page", __name__)
    show_errors(views)
    refuse_foreign_writes(views, (), _FOREIGN)
    if not services.settings.playground:
        return views
    checks = ShareChecks(services, budgets)

    @views.get("/cards/check")
    def form() -> Response:
        url = request.args.get(URL, "").strip()
        return show(url, checks.look(url))

    @views.post("/cards/check")
    def take() -> Response:
        url = request.form.get(URL, "").strip()
        response = show(url, checks.take(url, request.form.get(KEY, "").strip(), again=_AGAIN in request.form))
        response.headers["Cache-Control"] = "no-store"
        return response

    def show(url: str, checked: Checked) -> Response:
        error = checked.error
        response = page(
            "share_check.html",
            error.status if error else 200,
            url=url,
            example=EXAMPLE,
            checked=checked,
            restricted=services.access.restricted and not is_admin(),
        )
        if error is not None and error.retry_after is not None:
            response.headers["Retry-After"] = str(error.retry_after)
        return response

    return views
