"""SnapSharp's templates by their ids, drawn with our own, so that its clients' `og_image` works unmodified.

Each of its variables is an optional text: https://snapsharp.dev/docs/og-image.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from cards.failures import BadVariable, CardError, UnknownTemplate
from cards.library import Templates
from cards.template import CardData, Template
from cards.values import TYPES, TemplateVariable

_UNTITLED = "Untitled"  # where SnapSharp's variable is optional and ours is required


@dataclass(frozen=True, slots=True)
class SnapSharpTemplate:
    """One of its templates: which of ours draws it, our variable that needs a value, and our name for each of its variables."""

    id: str
    name: str
    description: str
    drawn_by: str
    required: str
    variables: Mapping[str, str]


_ALL = (
    SnapSharpTemplate("blog-post", "Blog post", "A post with its author, its date and a tag.", "article", "title", {
        "title": "title", "author": "author", "date": "date", "avatar_url": "avatar", "reading_time": "note", "tag": "tag",
        "bg_color": "background",
    }),
    SnapSharpTemplate("social-card", "Social card", "A page with its description and its site.", "article", "title", {
        "title": "title", "description": "description", "logo_url": "logo", "site_name": "brand", "bg_color": "background",
    }),
    SnapSharpTemplate("product-card", "Product card", "A product with its price and its picture.", "product", "name", {
        "name": "name", "tagline": "tagline", "price": "price", "image_url": "image", "badge": "badge", "bg_color": "background",
    }),
    SnapSharpTemplate("github-readme", "GitHub repository", "A repository with its figures.", "repository", "repo", {
        "repo": "repo", "description": "description", "stars": "stars", "forks": "forks", "language": "language",
        "owner_avatar": "avatar",
    }),
    SnapSharpTemplate("quote-card", "Quote card", "Words that somebody said.", "quote", "quote", {
        "quote": "quote", "author": "author", "role": "role", "avatar_url": "avatar", "bg_color": "background",
    }),
)  # fmt: skip
SNAPSHARP_TEMPLATES: Mapping[str, SnapSharpTemplate] = MappingProxyType({each.id: each for each in _ALL})


def read_snapsharp(templates: Templates, template_id: str, data: Mapping[str, object]) -> tuple[Template, CardData]:
    """Return the template and the data for `template_id`, one of SnapSharp's or of ours, and its `data`.

    A template of ours that has the id of one of SnapSharp's is used in its place.
    Raises CardError, which names the variables as the caller wrote them.
    """
    theirs = SNAPSHARP_TEMPLATES.get(template_id)
    if template_id in templates or theirs is None:
        if template_id not in templates:
            raise UnknownTemplate(sorted({*templates, *SNAPSHARP_TEMPLATES}))
        return templates[template_id], templates[template_id].read(data)
    template = templates[theirs.drawn_by]
    ours = {theirs.variables[name]: value for name, value in data.items() if name in theirs.variables}
    if not str(ours.get(theirs.required) or "").strip():
        ours[theirs.required] = _UNTITLED
    _move_unreadable_date(ours)
    unknown = sorted(set(data) - set(theirs.variables))
    try:
        read = template.read(ours)
    except CardError as err:
        names = {own: name for name, own in theirs.variables.items()}
        bad = [BadVariable(names.get(each.name, each.name), each.reason) for each in err.bad]
        raise CardError(unknown=unknown, missing=err.missing, bad=bad) from None
    if unknown:
        raise CardError(unknown=unknown)
    return template, read


def _move_unreadable_date(values: dict[str, object]) -> None:
    """Show a date that is no ISO date, such as "March 5", as it was written."""
    date = values.get("date")
    if not isinstance(date, str) or not date.strip():
        return
    try:
        TYPES["date"](date, TemplateVariable("date", "date"))
    except ValueError:
        del values["date"]
        note = values.get("note")
        values["note"] = f"{date} · {note}" if note else date


def list_snapsharp(templates: Templates) -> list[dict[str, object]]:
    """Describe all templates as SnapSharp's `GET /v1/templates` does: `id`, `name`, `description` and `variables`."""
    theirs: list[dict[str, object]] = [
        {"id": each.id, "name": each.name, "description": each.description, "variables": list(each.variables)}
        for each in _ALL
        if each.id not in templates
    ]
    return theirs + [
        {"id": name, "name": each.title, "description": each.description, "variables": list(each.variables)}
        for name, each in templates.items()
    ]
