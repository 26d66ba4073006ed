"""SnapSharp's contract: an untrusted mapping → CaptureOptions, or BadOption that names the option and its values. Pure.

The engine and the service's own `/v1/screenshot` both read it here. Names, defaults and ranges are SnapSharp's, as
described in `options.table`; `scale`, `selector` and `max_height` are our own. Unlike the hosted API, unknown options
are refused: a typo must not silently lead to the wrong picture.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from options.document import HTML_WORDS, Document, read_html
from options.implied import Contradiction, implied
from options.kinds import Boolean, Choice, Code, Matching, Number, Parts, Preset, Selector, Whole, Zone
from options.option import Option, options_of
from options.table import MAX_PIXELS, CaptureOptions
from options.target import Target
from options.values import Clip, is_text, read_code

TRUE, FALSE = frozenset({"true", "1", "yes", "on"}), frozenset({"false", "0", "no", "off"})
CACHE_TTL = Whole(0, 86_400, "seconds")
# PHP's client gives each item of a list and each member of an object a name of its own.
_MEMBER = re.compile(r"(hide_selectors)\[[0-9]{1,3}\]|(clip)\[(x|y|width|height)\]")
SEVERAL = frozenset({"hide_selectors"})  # Python's client repeats the name for each item of a list
NO_OBJECT = 'the body must be a JSON object such as {"url": "https://example.com/"}'


class BadOption(Exception):
    """An option that cannot be used. `name` is as the caller wrote it, "" if the request as a whole is wrong."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}" if name else reason)
        self.name, self.reason = name, reason


class NotOffered(BadOption):
    """The contract has the option, and no plan of ours does: SnapSharp's clients expect `plan_required`."""


@dataclass(frozen=True, slots=True)
class ContractRequest:
    """What a caller of the contract wants: a capture, whether a known picture will do, and how old it may be (seconds)."""

    capture: CaptureOptions
    cache: bool = True
    cache_ttl: int = 3600


@dataclass(frozen=True, slots=True)
class DocumentRequest:
    """What a caller of `/v1/html-to-image` wants: as for a page, and the document itself."""

    document: Document
    wanted: ContractRequest


def of_query(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Collect the pairs of a query, as each of SnapSharp's clients writes it. Raises as `unrepeated`."""
    whole: list[tuple[str, Any]] = []
    clip: list[tuple[str, str]] = []
    for name, value in pairs:
        member = _MEMBER.fullmatch(name)
        if member and member[3]:
            clip.append((member[3], value))
        else:
            whole.append((member[1] if member else name, value))
    if clip:
        parts = unrepeated(clip)
        whole.append(("clip", ",".join(parts.get(name, "") for name in Clip._fields)))
    return unrepeated(whole)


def unrepeated(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Collect the pairs of a query or a JSON object. Raises BadOption for a repeated name that takes no list."""
    options: dict[str, Any] = {}
    for name, value in pairs:
        if name not in options:
            options[name] = value
        elif name in SEVERAL and isinstance(value, str):
            known = options[name]
            options[name] = [*known, value] if isinstance(known, list) else [known, value]
        else:
            raise BadOption("", f"{name[:64]!r} is set more than once; send it once")
    return options


def read(options: object, target: Callable[[object], Target]) -> ContractRequest:
    """Read `options`, whose URL `target` parses. A JSON null is an option left out, even of an unknown name.

    Raises BadOption for the first option that cannot be used, NotOffered, or what `target` raises.
    """
    if not isinstance(options, Mapping):
        raise BadOption("", NO_OBJECT)
    sent = _sent(options, NAMES)
    if "url" not in sent:
        raise BadOption("url", "is missing; set it to an absolute http or https URL")
    for name in UNAVAILABLE:
        if name in sent:
            _refuse_unavailable(name, sent[name])
    return _read(sent, FIELDS, DEFAULTS, lambda: target(sent["url"]))


def read_document(options: object) -> DocumentRequest:
    """Read the options of `/v1/html-to-image`: HTML in place of a URL, and what applies to it.

    Raises BadOption for the first option that cannot be used.
    """
    if not isinstance(options, Mapping):
        raise BadOption("", 'the body must be a JSON object such as {"html": "<h1>Hello</h1>"}')
    sent = _sent(options, DOCUMENT_NAMES)
    if "html" not in sent:
        raise BadOption("html", f"is missing; set it to {HTML_WORDS}")
    try:
        html = read_html(sent["html"])
    except ValueError as err:
        raise BadOption("html", f"must be {err}") from None
    document = Document(html, network=_field("network", sent.get("network", False), {"network": _flag}))
    return DocumentRequest(document, _read(sent, DOCUMENT_FIELDS, DOCUMENT_DEFAULTS, lambda: document.target))


def read_card(options: object, target: Callable[[str, Mapping[str, object]], Target]) -> ContractRequest:
    """Read the options of `/v1/og-image`. `target` names the card that a template's id and its data make.

    Raises BadOption for the first option that cannot be used, or what `target` raises.
    """
    if not isinstance(options, Mapping):
        raise BadOption(
            "", 'the body must be a JSON object such as {"template": "blog-post", "data": {"title": "Hello"}}'
        )
    sent = _sent(options, CARD_NAMES)
    template, data = sent.get("template"), sent.get("data", {})
    if not template:
        raise BadOption("template", "is missing; set it to one of those that GET /v1/templates lists")
    if not isinstance(template, str):
        raise BadOption("template", "must be one of those that GET /v1/templates lists")
    if data == []:  # PHP's client writes an empty object so
        data = {}
    if not isinstance(data, Mapping):
        raise BadOption("data", "must be an object of the template's variables")
    return _read(sent, CARD_FIELDS, CARD_DEFAULTS, lambda: target(template, data))


def _sent(options: Mapping[Any, Any], names: frozenset[str]) -> dict[str, Any]:
    sent = {name: value for name, value in options.items() if value is not None}
    if unknown := sorted(map(str, set(sent) - names)):
        raise BadOption("", f"{unknown[0][:64]!r} is not an option; valid options: {', '.join(sorted(names))}")
    return sent


def _read(
    sent: Mapping[str, Any],
    fields: Mapping[str, Callable[[object], Any]],
    defaults: Mapping[str, Any],
    target: Callable[[], Target],
) -> ContractRequest:
    given = {name: _field(name, sent[name], fields) for name in fields if name in sent}
    if given.pop("retina", False):
        given.setdefault("scale", 2.0)
    cache = {name: given.pop(name) for name in ("cache", "cache_ttl") if name in given}
    landscape = given.pop("viewport_landscape", False)
    values = {ATTRIBUTES[name]: value for name, value in given.items()}
    capture = CaptureOptions(target(), **{**defaults, **values, **_implied(values, landscape=landscape)})
    _check_together(capture)
    return ContractRequest(capture, **cache)


def _refuse_unavailable(name: str, value: object) -> None:
    """Let an option pass that asks for nothing: clients send `stealth=false`."""
    word = value.strip().lower() if isinstance(value, str) else value
    if word not in ("", False, 0, *FALSE):
        raise NotOffered(name, "is not available here; leave it out")


def _field(name: str, value: object, fields: Mapping[str, Callable[[object], Any]]) -> Any:
    try:
        return fields[name](value)
    except ValueError as err:
        raise BadOption(name, f"must be {err}") from None


def _implied(given: Mapping[str, object], *, landscape: bool) -> dict[str, Any]:
    try:
        return implied(given, landscape=landscape)
    except Contradiction as err:
        raise BadOption(err.name, str(err)) from None


def _check_together(params: CaptureOptions) -> None:
    if params.format != "pdf" and params.width * params.height * params.scale**2 > MAX_PIXELS:
        raise BadOption("scale", f"width × height × scale² must be at most {MAX_PIXELS} pixels")
    name, reason = params.contradiction
    if name:
        raise BadOption(name, reason)


def _whole(kind: Whole) -> Callable[[object], int]:
    def read(value: object) -> int:
        if isinstance(value, str) and re.fullmatch(r"[0-9]{1,6}(\.0)?", value):
            value = float(value)
        if isinstance(value, float) and value.is_integer():  # JSON has one kind of number, and so have some languages
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or not kind.low <= value <= kind.high:
            raise ValueError(kind.words)
        return value

    return read


def _number(kind: Number) -> Callable[[object], float]:
    def read(value: object) -> float:
        if isinstance(value, str) and re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,6})?", value):
            value = float(value)
        if not isinstance(value, int | float) or isinstance(value, bool) or not kind.low <= value <= kind.high:
            raise ValueError(kind.words)
        return float(value)

    return read


def _flag(value: object) -> bool:
    word = str(value).lower() if isinstance(value, str | bool | int) else ""
    if word not in TRUE | FALSE:
        raise ValueError(Boolean().words)
    return word in TRUE


def _choice(kind: Choice) -> Callable[[object], str]:
    def read(value: object) -> str:
        if not isinstance(value, str) or value not in kind.values:
            raise ValueError(kind.words)
        return value

    return read


def _preset(kind: Preset) -> Callable[[object], str]:
    def read(value: object) -> str:
        name = kind.spelled(value) if isinstance(value, str) else ""
        if name not in kind.values:
            raise ValueError(kind.words)
        return name

    return read


def _selector(kind: Selector) -> Callable[[object], str | None]:
    def read(value: object) -> str | None:
        if kind.several and value in ("", []):  # Node's client writes an empty list so
            return None
        if (
            kind.several
            and isinstance(value, list)
            and value
            and all(isinstance(each, str) and each.strip() for each in value)
        ):
            value = ", ".join(value)
        if not isinstance(value, str) or not value.strip() or len(value) > kind.longest or not is_text(value):
            raise ValueError(kind.words)
        return value.strip()

    return read


def _matching(kind: Matching) -> Callable[[object], str]:
    def read(value: object) -> str:
        if not isinstance(value, str) or not re.fullmatch(kind.pattern, value):
            raise ValueError(kind.words)
        return value

    return read


def _zone(kind: Zone) -> Callable[[object], str]:
    def read(value: object) -> str:
        if not isinstance(value, str) or not kind.accepts(value):
            raise ValueError(kind.words)
        return value

    return read


def _code(kind: Code) -> Callable[[object], str | None]:
    return lambda value: read_code(value, kind.words)


_READERS: dict[type, Callable[[Any], Callable[[object], Any]]] = {
    Whole: _whole,
    Number: _number,
    Boolean: lambda _: _flag,
    Choice: _choice,
    Preset: _preset,
    Selector: _selector,
    Matching: _matching,
    Zone: _zone,
    Code: _code,
    Parts: lambda kind: kind.read,
}


def _reader(option: Option) -> Callable[[object], Any]:
    kind = option.kind_for("engine")
    return _READERS[type(kind)](kind)


OPTIONS = {param.name: option for option in options_of(CaptureOptions) if (param := option.param("engine"))}
ATTRIBUTES = {name: option.attribute for name, option in OPTIONS.items()}
DEFAULTS = {option.attribute: option.default_for("engine") for option in OPTIONS.values()}
# Names of the contract that are no option of a capture. `retina` and `viewport_landscape` only imply values of other
# options: `scale`, and a device's sides.
FIELDS: dict[str, Callable[[object], Any]] = {
    "retina": _flag,
    "viewport_landscape": _flag,
    "cache": _flag,
    "cache_ttl": _whole(CACHE_TTL),
} | {name: _reader(option) for name, option in OPTIONS.items()}
UNAVAILABLE = ("stealth", "proxy", "country")
NAMES = frozenset({"url", *FIELDS, *UNAVAILABLE})
# What applies to a document. All of it is shown as it was written, so nothing is blocked or hidden by default.
DOCUMENT_OPTIONS = (
    "width",
    "height",
    "full_page",
    "max_height",
    "scale",
    "delay",
    "wait_until",
    "wait_for",
    "selector",
    "clip",
    "css",
    "dark_mode",
    "color_scheme",
    "reduced_motion",
    "locale",
    "timezone",
    "transparent",
    "format",
    "quality",
)
DOCUMENT_SIDES = MappingProxyType({"width": Whole(100, 3840, "CSS pixels"), "height": Whole(100, 2160, "CSS pixels")})
DOCUMENT_DEFAULTS = MappingProxyType({**DEFAULTS, "width": 800, "height": 600})
DOCUMENT_FIELDS: Mapping[str, Callable[[object], Any]] = MappingProxyType(
    {name: FIELDS[name] for name in (*DOCUMENT_OPTIONS, "retina", "cache", "cache_ttl")}
    | {name: _whole(kind) for name, kind in DOCUMENT_SIDES.items()}
)
DOCUMENT_NAMES = frozenset({"html", "network", *DOCUMENT_FIELDS})
# Of a card: its size, which its template fills, and how it is delivered.
CARD_DEFAULTS = MappingProxyType({**DOCUMENT_DEFAULTS, "width": 1200, "height": 630})
CARD_FIELDS = MappingProxyType(
    {name: DOCUMENT_FIELDS[name] for name in ("width", "height", "scale", "format", "quality", "cache", "cache_ttl")}
)
CARD_NAMES = frozenset({"template", "data", *CARD_FIELDS})
