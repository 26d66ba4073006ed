"""The form of a card: a field for each variable of its template, what is wrong with each, and code to copy. Knows no HTTP."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from html import escape
from itertools import chain

from cards import CardData, CardError, Template, TemplateVariable
from web.ui.snippets import Snippet
from web.ui.wording import sentence_about

# The first of them that a card fills says what its picture shows, for people who cannot see it.
_NAMING = ("title", "name", "quote", "repo")
_INPUTS = {
    "text": "text",
    "long text": "area",
    "number": "number",
    "date": "date",
    "url": "url",
    "image": "url",
    "thumbnail": "url",
    "colour": "colour",
    "choice": "select",
    "boolean": "check",
    "language": "text",
}
_HINTS = {"image": "The URL of a picture."}
_COMMON = ("lang", "theme", "background", "accent")


@dataclass(frozen=True, slots=True)
class CardField:
    """How a person sets a variable. `kind` is that of the element: text, area, number, date, url, colour, select or check."""

    variable: TemplateVariable
    kind: str

    @property
    def name(self) -> str:
        return self.variable.name

    @property
    def label(self) -> str:
        return {"lang": "Language"}.get(self.name, self.name.replace("_", " ").capitalize())

    @property
    def hint(self) -> str:
        return " ".join(filter(None, (self.variable.description, _HINTS.get(self.variable.type, ""))))

    @classmethod
    def of(cls, variable: TemplateVariable) -> "CardField":
        return cls(variable, _INPUTS.get(variable.type, "text"))


@dataclass(frozen=True, slots=True)
class CardForm:
    """A form as it was sent, or with the example of its template. `data` is None if something is wrong."""

    template: Template
    values: Mapping[str, str]
    data: CardData | None
    wrong: Mapping[str, str] = field(default_factory=dict)
    restricted: bool = False

    @classmethod
    def example(cls, template: Template, *, restricted: bool = False) -> "CardForm":
        return cls(template, dict(template.example.values), template.example, restricted=restricted)

    @classmethod
    def read(cls, template: Template, given: Iterable[tuple[str, str]], *, restricted: bool = False) -> "CardForm":
        """Read what a form or a link names. Other names are ignored: a link may carry what programs append."""
        values = {name: text for name, text in given if name in template.variables}
        try:
            return cls(template, values, template.read(values), restricted=restricted)
        except CardError as err:
            wrong = {each.name: sentence_about(_label(template, each.name), each.reason) for each in err.bad}
            wrong |= {name: f"{_label(template, name)} is missing." for name in err.missing}
            return cls(template, values, None, wrong, restricted)

    @property
    def own(self) -> list[CardField]:
        """The fields of the template's own variables."""
        return [CardField.of(each) for name, each in self.template.variables.items() if name not in _COMMON]

    @property
    def common(self) -> list[CardField]:
        """The fields of what every template has: language and colours."""
        return [CardField.of(each) for name, each in self.template.variables.items() if name in _COMMON]

    def value(self, name: str) -> str:
        """Return what the field `name` holds."""
        return self.values.get(name, self.template.variables[name].default)

    @property
    def alt(self) -> str:
        """What the picture shows, in one line."""
        filled = dict(self.data.values) if self.data else {}
        texts = chain((filled.get(name) for name in _NAMING), filled.values())
        return " ".join(next(filter(None, texts), self.template.title).split())


def _label(template: Template, name: str) -> str:
    return CardField.of(template.variables[name]).label if name in template.variables else name


def card_snippets(form: CardForm, address: str, base: str) -> tuple[Snippet, ...]:
    """Write the code that uses a card whose absolute URL is `address`, for a service at `base`."""
    return (
        _meta(form, address),
        Snippet("address", "Address", "txt", address),
        _img(form, address),
        _python(form, base),
        _javascript(form, base),
    )


def _meta(form: CardForm, address: str) -> Snippet:
    template = form.template
    lines = (
        ("property", "og:image", address),
        ("property", "og:image:width", str(template.width)),
        ("property", "og:image:height", str(template.height)),
        ("property", "og:image:alt", form.alt),
        ("name", "twitter:card", "summary_large_image"),
    )
    code = "\n".join(f'<meta {kind}="{name}" content="{escape(text)}">' for kind, name, text in lines)
    return Snippet("meta", "<meta>", "html", code, "Into the <head> of the page that is shared.")


def _img(form: CardForm, address: str) -> Snippet:
    size = f'width="{form.template.width}" height="{form.template.height}"'
    code = f'<img src="{escape(address)}" {size} alt="{escape(form.alt)}" loading="lazy">'
    return Snippet("img", "<img>", "html", code)


def _python(form: CardForm, base: str) -> Snippet:
    values = "".join(f"    {name}={_word(text)},\n" for name, text in form.data.values) if form.data else ""
    code = (
        "from thumbnail_client import Urls\n\n"
        f"urls = Urls({_word(base)}, signing_key=None)  # one of SIGNING_KEYS, where they are set\n"
        f"urls.card(\n    {_word(form.template.name)},\n{values})"
    )
    return Snippet("python", "Python", "py", code, "By the client in clients/python.")


def _javascript(form: CardForm, base: str) -> Snippet:
    values = json.dumps(dict(form.data.values) if form.data else {}, ensure_ascii=False, indent=2)
    code = (
        'import { Urls } from "thumbnail-client";\n\n'
        "const signingKey = null; // one of SIGNING_KEYS, where they are set\n"
        f"new Urls({_word(base)}, signingKey).card({_word(form.template.name)}, {values});"
    )
    return Snippet("javascript", "JavaScript", "mjs", code, "By the client in clients/js.")


def _word(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
