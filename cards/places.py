"""Where in a document each value of a template stands, and whether a value of its type may stand there.

Autoescape keeps a text from leaving text and quoted attributes. It does not help in a style, a URL or a script. So the document is followed
letter by letter, as browsers' tokenizers do (https://html.spec.whatwg.org/multipage/parsing.html#tokenization), through each branch of the
template. Go's html/template works the same way.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from jinja2 import nodes

from cards.failures import BrokenTemplate
from cards.values import STYLE_TYPES, THUMBNAIL, URL_TYPES, TemplateVariable

_URLS = frozenset({
    "src", "href", "xlink:href", "srcset", "poster", "data", "action", "formaction", "cite", "ping", "background", "manifest", "to", "from",
    "values", "by",
})  # fmt: skip
# SVG's presentation attributes may hold what a style may, such as url(…).
_STYLES = frozenset({
    "style", "fill", "stroke", "filter", "mask", "clip-path", "marker", "marker-start", "marker-mid", "marker-end", "cursor", "color",
    "font-family", "font", "stop-color", "flood-color", "lighting-color",
})  # fmt: skip
_REFUSED_TAGS = frozenset({
    "script", "html", "head", "body", "base", "meta", "link", "iframe", "frame", "object", "embed", "applet", "template", "noscript",
    "xmp", "plaintext", "noembed", "noframes", "portal",
})  # fmt: skip
_RAW_TAGS = frozenset({"style", "title", "textarea"})
_BLANK = " \t\n\r\f"


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a document. `value` is what the attribute's value consists of so far, where it is a URL."""

    state: str = "text"
    tag: str = ""
    attribute: str = ""
    quote: str = ""
    value: str = ""


class Walk:
    """Follows a template through its document. Raises BrokenTemplate at the first value that may not stand at its place."""

    def __init__(self, file: Path, variables: Mapping[str, TemplateVariable], style_filters: frozenset[str]) -> None:
        self._file, self._variables, self._style_filters = file, variables, style_filters
        self._line = 1

    def follow(self, body: Sequence[nodes.Node]) -> None:
        end = self._all(body, Position())
        if end.state != "text":
            raise BrokenTemplate(self._file, self._line, f"the document ends inside {_words(end)}")

    def _all(self, body: Sequence[nodes.Node], place: Position) -> Position:
        for node in body:
            place = self._one(node, place)
        return place

    def _one(self, node: nodes.Node, place: Position) -> Position:
        self._line = node.lineno or self._line
        match node:
            case nodes.Output():
                for part in node.nodes:
                    self._line = part.lineno
                    place = (
                        self._text(part.data, place)
                        if isinstance(part, nodes.TemplateData)
                        else self._value(part, place)
                    )
                return place
            case nodes.If():
                branches = [node.body, *(each.body for each in node.elif_), node.else_]
                return self._same([self._all(each, place) for each in branches], node)
            case nodes.For():
                return self._same([self._all(node.body, place), self._all(node.else_, place), place], node)
            case nodes.Assign():
                return place
            case nodes.With():
                return self._same([self._all(node.body, place), place], node)
            case _:
                name = type(node).__name__.lower()
                raise BrokenTemplate(
                    self._file, self._line, f"{name} is not possible in a template: if, for, set and with are"
                )

    def _same(self, places: list[Position], node: nodes.Node) -> Position:
        if len(set(places)) > 1:
            raise BrokenTemplate(
                self._file,
                node.lineno,
                "each branch must end where it begins: put whole elements or whole attributes into it",
            )
        return places[0]

    def _value(self, node: nodes.Expr, place: Position) -> Position:
        match place.state:
            case "text":
                return place
            case "raw" if place.tag != "style":
                return place
            case "raw":
                self._require(node, STYLE_TYPES, "a style")
                return place
            case "quoted" if place.attribute in _STYLES:
                self._require(node, STYLE_TYPES, "a style")
                return place
            case "quoted" if place.attribute in _URLS:
                if place.value:
                    raise BrokenTemplate(self._file, node.lineno, f"{place.attribute} must be one value as a whole")
                self._require(node, URL_TYPES, f"the attribute {place.attribute}")
                return replace(place, value="{{}}")
            case "quoted" if place.attribute.startswith("on") or place.attribute == "srcdoc":
                raise BrokenTemplate(self._file, node.lineno, f"no value may stand in {place.attribute}")
            case "quoted":
                return place
            case _:
                raise BrokenTemplate(
                    self._file, node.lineno, f"a value stands in text or in a quoted attribute, not in {_words(place)}"
                )

    def _require(self, node: nodes.Expr, types: frozenset[str], where: str) -> None:
        if self._is_of(node, types):
            return
        name = node.name if isinstance(node, nodes.Name) else ""
        if types is URL_TYPES and name in self._variables and self._variables[name].type == THUMBNAIL:
            raise BrokenTemplate(
                self._file, node.lineno, f"{name} is the URL of a page: {name}|thumbnail is its picture"
            )
        names = ", ".join(sorted(types))
        raise BrokenTemplate(self._file, node.lineno, f"only variables of the types {names} may stand in {where}")

    def _is_of(self, node: nodes.Node | None, types: frozenset[str]) -> bool:  # noqa: PLR0911 - a case for each kind of node
        """Return whether an expression is the author's own text, or made of variables of these types alone."""
        match node:
            case nodes.Const():
                return True
            case nodes.Name():
                return node.name in self._variables and self._variables[node.name].type in types
            case nodes.CondExpr():
                return self._is_of(node.expr1, types) and self._is_of(node.expr2, types)
            case nodes.Or() | nodes.And() | nodes.Add() | nodes.Sub() | nodes.Mul() | nodes.Div():
                return self._is_of(node.left, types) and self._is_of(node.right, types)
            case nodes.Filter(name="thumbnail"):
                return types is URL_TYPES and self._is_of(node.node, frozenset({THUMBNAIL}))
            case nodes.Filter() if node.name in self._style_filters and types is STYLE_TYPES and not node.kwargs:
                return all(self._is_of(each, types) for each in (node.node, *node.args))
        return False

    def _text(self, data: str, place: Position) -> Position:
        at = 0
        while at < len(data):
            place, ahead = self._step(data, at, place)
            self._line += data.count("\n", at, ahead)
            at = ahead
        return place

    def _step(self, data: str, at: int, place: Position) -> tuple[Position, int]:  # noqa: C901, PLR0911, PLR0912 - one tokenizer, read as a whole
        letter = data[at]
        match place.state:
            case "text":
                if found := re.compile(r"<!--(-?>)?").match(data, at):  # <!--> and <!---> are whole comments
                    return Position() if found[1] else Position("comment"), found.end()
                if found := re.compile(r"</?([A-Za-z][^\s/>]*)").match(data, at):
                    return self._opened(found[1].lower(), closing=found[0].startswith("</")), found.end()
                if data.startswith(("<!", "<?", "</"), at):
                    raise BrokenTemplate(
                        self._file, self._line, "a template begins with its first element, without a doctype"
                    )
                ahead = data.find("<", at + 1)
                return place, len(data) if ahead < 0 else ahead
            case "comment":
                found = re.compile(r"--!?>").search(data, at)
                return (Position(), found.end()) if found else (place, len(data))
            case "raw":
                found = re.compile(rf"</{place.tag}(?=[\s/>])", re.IGNORECASE).search(data, at)
                return (Position("tag"), found.end()) if found else (place, len(data))
            case "tag":
                if letter == ">":
                    return Position("raw", place.tag) if place.tag in _RAW_TAGS else Position(), at + 1
                if letter in _BLANK + "/":
                    return place, at + 1
                found = re.compile(r"[^\s/>=]+").match(data, at)
                if found is None:
                    raise BrokenTemplate(self._file, self._line, "an attribute begins with =")
                return replace(place, state="name", attribute=found[0].lower()), found.end()
            case "name":
                if letter in _BLANK:
                    return place, at + 1
                if letter == "=":
                    return replace(place, state="value"), at + 1
                return Position("tag", place.tag), at
            case "value":
                if letter in _BLANK:
                    return place, at + 1
                if letter not in "\"'":
                    raise BrokenTemplate(self._file, self._line, f"the value of {place.attribute} needs quotes")
                return replace(place, state="quoted", quote=letter), at + 1
            case _:
                ahead = data.find(place.quote, at)
                end = len(data) if ahead < 0 else ahead
                if place.attribute in _URLS and end > at:
                    if place.value == "{{}}":
                        raise BrokenTemplate(self._file, self._line, f"{place.attribute} must be one value as a whole")
                    place = replace(place, value=place.value + data[at:end])
                return (place, end) if ahead < 0 else (Position("tag", place.tag), ahead + 1)

    def _opened(self, tag: str, *, closing: bool) -> Position:
        if tag in _REFUSED_TAGS:
            raise BrokenTemplate(
                self._file, self._line, f"<{tag}> is not possible in a template: it is the content of a page's body"
            )
        return Position("tag", "" if closing else tag)


def _words(place: Position) -> str:
    words = {
        "comment": "a comment",
        "raw": f"<{place.tag}>",
        "tag": "a tag",
        "name": "a tag",
        "value": "an attribute without quotes",
    }
    return words.get(place.state, f"the attribute {place.attribute}")
