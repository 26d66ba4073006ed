"""Untrusted mapping → ThumbnailRequest. Pure: syntax only. Every refusal names the field and its valid values."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, create_model

from documents import NOTHING_BLOCKED, THEMES, render_markdown
from errors import BlockedTarget, InvalidOption, InvalidURL, PaidOption, ThumbnailError
from model import ThumbnailRequest
from netguard import Guard
from options import (
    BLANKS,
    BULKY,
    CACHE_BUSTERS,
    CARD_OPTIONS,
    FILES,
    FORMAT_ALIASES,
    FORMATS,
    JOB_OPTIONS,
    LEAVE_OUT,
    LONGEST_BUSTER,
    MOST_BULK,
    PNG,
    PRIVATE,
    SHORTEST_TTL,
    SITE_IMAGE_OPTIONS,
    THUMBNAIL_OPTIONS,
    Boolean,
    CaptureOptions,
    Choice,
    Code,
    Contradiction,
    Delivery,
    Document,
    JobOptions,
    Kind,
    Matching,
    Number,
    Option,
    Parts,
    Preset,
    Rendition,
    Selector,
    Target,
    Text,
    Texts,
    Time,
    Whole,
    Zone,
    callers_options,
    contract,
    either,
    implied,
    is_appended,
    nearest_advice,
    options_of,
    query_advice,
    read_code,
    read_html,
    read_markdown,
    rounded,
)
from urls import parse_typed_url, parse_url, read_query

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

# Queries that a process remembers, at some 3 kB each: those of as many pictures as its memory holds, and of rarer ones.
_REMEMBERED = 8192
_LONGEST_REMEMBERED = 1024  # bytes, so that a stranger's long queries do not fill the memory
AUTO = "auto"  # the format that `Accept` prefers
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class JobRequest:
    """A validated request for the job of one picture, or for a batch of jobs. `document` is what the picture shows."""

    pictures: tuple[ThumbnailRequest, ...]
    batch: bool = False
    webhook_url: str | None = None
    persist: bool = False
    document: Document | None = None


@dataclass(frozen=True, slots=True)
class DocumentOrder:
    """A validated request for the picture of a document, and whether to keep it for ever, or to make a job of it."""

    document: Document
    picture: ThumbnailRequest
    persist: bool = False
    webhook_url: str | None = None


class Validator:
    """Turns queries and JSON bodies into requests, by the rules of one installation. Pure, so queries are memoised."""

    def __init__(self, guard: Guard, **settings: object) -> None:
        """`settings` replace the defaults of the options that name one, or allow an option: `block_ads=False`."""
        self._guard = guard
        self._defaults = {each.name: settings.get(each.setting, each.default) for each in _SET_BY_OPERATOR}
        self._forbidden = tuple(each for each in _ALLOWED_BY_OPERATOR if not settings.get(each.allowed_by))
        self._remembered = lru_cache(maxsize=_REMEMBERED)(self._parse_or_refuse)
        self._rendition = lru_cache(maxsize=_REMEMBERED)(_read_rendition)

    def parse_query(self, query: bytes, preferred: str = "png") -> ThumbnailRequest:
        """Read a raw query string; `format=auto` becomes `preferred`.

        Raises InvalidOption, InvalidURL or BlockedTarget.
        """
        parse = self._remembered if len(query) <= _LONGEST_REMEMBERED else self._parse_or_refuse
        found = parse(query, preferred)
        if isinstance(found, ThumbnailError):
            raise found.untraced()
        return found

    def parse_rendition(self, query: bytes, preferred: str = "png") -> tuple[Rendition, bool]:
        """Read the query of a picture whose capture is known: size and format, and whether the format was negotiated.

        `format=auto` becomes `preferred`. Raises InvalidOption.
        """
        return self._rendition(query, preferred)

    def parse_page(self, url: str) -> ThumbnailRequest:
        """Return the request for the page at `url` with all options at their defaults.

        Raises InvalidURL or BlockedTarget.
        """
        return self._parse({"url": url}, _Body)

    def parse_card(self, options: Mapping[str, object], format_: str) -> tuple[Rendition, Delivery, float]:
        """Read the options of a card's picture, without its variables: size, delivery, and device scale factor.

        Raises InvalidOption.
        """
        _refuse_unknown(options, CARD_OPTIONS)
        values = vars(_validated(_Card, options))
        rendition = Rendition(**{name: values[name] for name in _RENDITION if name in values}, format=format_)
        delivery = Delivery(**{name: values[name] for name in _DELIVERY if name in values})
        return rendition, delivery, values["scale"]

    def parse_json(self, body: object, preferred: str = "") -> ThumbnailRequest:
        """Read a decoded JSON body; `format=auto` becomes `preferred`, and is refused without one.

        Raises InvalidOption, InvalidURL or BlockedTarget.
        """
        return self._parse(_object(body), _Query, preferred) if preferred else self._parse_object(_object(body))

    def parse_contract_query(self, query: bytes) -> ThumbnailRequest:
        """Read the raw query of `/v1/screenshot`. Raises as `parse_contract`."""
        options = _read(lambda: contract.of_query(read_query(query)))
        _refuse_in_query(options.keys() - _IN_CONTRACTS_QUERY)
        return self.parse_contract(options)

    def parse_contract(self, options: object) -> ThumbnailRequest:
        """Read the options of `/v1/screenshot`, named as SnapSharp does, with its defaults.

        Raises InvalidOption, PaidOption, InvalidURL or BlockedTarget.
        """
        wanted = _read(lambda: contract.read(options, self._target_of_contract))
        capture = wanted.capture
        _refuse_forbidden({each.name: getattr(capture, each.attribute) for each in self._forbidden}, self._forbidden)
        return _of_contract(wanted)

    def parse_contract_document(self, options: object) -> DocumentOrder:
        """Read the options of `/v1/html-to-image`, with SnapSharp's defaults. Raises InvalidOption."""
        read = _read(lambda: contract.read_document(options))
        return DocumentOrder(read.document, _of_contract(read.wanted))

    def parse_contract_card(
        self, options: object, target: Callable[[str, Mapping[str, object]], Target]
    ) -> ThumbnailRequest:
        """Read the options of `/v1/og-image`, with SnapSharp's defaults. `target` names the card.

        Raises InvalidOption, or what `target` raises.
        """
        return _of_contract(_read(lambda: contract.read_card(options, target)))

    def parse_document(self, body: object, preferred: str) -> DocumentOrder:
        """Read a decoded JSON body of `/render`; `format=auto` becomes `preferred`. Raises InvalidOption."""
        given = _object(body, _A_DOCUMENT)
        _refuse_unknown(given, {**DOCUMENT_OPTIONS, **_DOCUMENTS_OWN})
        _refuse_mistyped(given)
        document = _read_document(given)
        values = vars(_validated(_Document, {name: given[name] for name in given if name in DOCUMENT_OPTIONS}))
        values |= _implied({name: values[name] for name in given if name in values})
        _refuse_beside_format(values["format"], given)
        own = JobOptions(**{name: values.pop(name) for name in ("persist", "webhook_url")})
        picture = self._build(values | NOTHING_BLOCKED, document.target, preferred)
        return DocumentOrder(document, picture, own.persist, own.webhook_url)

    def _target_of_contract(self, url: object) -> Target:
        if not isinstance(url, str):
            raise InvalidURL("must be an absolute http:// or https:// URL")
        return parse_url(url, self._guard)

    def parse_job(self, body: object) -> JobRequest:
        """Read a decoded JSON body of `/screenshots`. Raises InvalidOption, InvalidURL or BlockedTarget."""
        given = _object(body)
        _refuse_unknown(given, {**THUMBNAIL_OPTIONS, **JOB_OPTIONS})
        own = JobOptions(**vars(_validated(_Job, {name: given[name] for name in given if name in JOB_OPTIONS})))
        shared = {name: given[name] for name in given if name in THUMBNAIL_OPTIONS}
        if own.urls is None:
            pictures: tuple[ThumbnailRequest, ...] = (self._parse_object(shared),)
        elif "url" in shared:
            raise InvalidOption("send only one of them", field="url, urls")
        else:
            _require_light(len(own.urls), shared)
            pictures = tuple(self._parse_one_of(own.urls, index, shared) for index in range(len(own.urls)))
        return JobRequest(pictures, own.urls is not None, own.webhook_url, own.persist)

    def _parse_one_of(self, urls: tuple[str, ...], index: int, shared: Mapping[Any, Any]) -> ThumbnailRequest:
        try:
            return self._parse_object({**shared, "url": urls[index]})
        except (InvalidURL, BlockedTarget) as err:
            raise err.about(f"urls[{index}]") from err.__cause__

    def _parse_object(self, given: Mapping[Any, Any]) -> ThumbnailRequest:
        if given.get("format") == AUTO:
            raise InvalidOption(f"auto works only for /thumb; choose {either(FILES)}", field="format")
        return self._parse(given, _Body)

    def _parse_or_refuse(self, query: bytes, preferred: str) -> ThumbnailRequest | ThumbnailError:
        try:
            return self._parse_query(query, preferred)
        except ThumbnailError as err:
            return err.untraced()

    def _parse_query(self, query: bytes, preferred: str) -> ThumbnailRequest:
        options = _read_options(query)
        _refuse_in_query(options)
        unencoded = bool(_UNENCODED.search(query))
        _refuse_unknown(options, THUMBNAIL_OPTIONS, partial(query_advice, known=THUMBNAIL_OPTIONS, unencoded=unencoded))
        return self._parse(options, _Query, preferred)

    def _parse(self, given: Mapping[Any, Any], model: type[BaseModel], preferred: str = "") -> ThumbnailRequest:
        _refuse_unknown(given, THUMBNAIL_OPTIONS)
        if given.get("url") is None:
            raise InvalidURL("is missing; set it to an absolute http:// or https:// URL")
        options = _validated(model, given)
        values = vars(options) | _implied({name: getattr(options, name) for name in options.model_fields_set})
        _refuse_beside_format(values["format"], options.model_fields_set)
        _refuse_forbidden(values, self._forbidden)
        url = values["url"].strip(BLANKS)
        if model is not _Query:  # a program's JSON names its pages exactly
            return self._build(values, parse_url(url, self._guard), preferred)
        target, http_too = parse_typed_url(url, self._guard)
        return self._build(values, target, preferred, http_too=http_too)

    def _build(
        self, values: dict[str, Any], target: Target, preferred: str, *, http_too: bool = False
    ) -> ThumbnailRequest:
        negotiated = values["format"] == AUTO
        values = values | {name: default for name, default in self._defaults.items() if values.get(name) is None}
        if negotiated:
            values["format"] = preferred
        # A document has not all of the options.
        capture = {name: values[name] for name in _CAPTURE if name in values}
        rendition = {name: values[name] for name in _RENDITION if name in values}
        delivery = {name: values[name] for name in _DELIVERY if name in values}
        if values["format"] == "pdf":
            capture["format"] = "pdf"  # a printed page is another capture than a screenshot
        options = CaptureOptions(target, **capture)
        name, reason = options.contradiction
        if name:
            raise InvalidOption(reason, field=name)
        return ThumbnailRequest(
            options, Rendition(**rendition), Delivery(**delivery, negotiated=negotiated, http_too=http_too)
        )


def _of_contract(wanted: contract.ContractRequest) -> ThumbnailRequest:
    """Return what the contract asks for. As for `/thumb`, one lossless capture serves all formats."""
    capture = wanted.capture
    printed = capture.format == "pdf"
    original = replace(capture, format="pdf" if printed else PNG, quality=_ORIGINAL_QUALITY)
    rendition = Rendition(format=capture.format)
    if FORMATS[capture.format].lossy:
        rendition = replace(rendition, quality=capture.quality)
    ttl = max(wanted.cache_ttl, SHORTEST_TTL)
    return ThumbnailRequest(original, rendition, Delivery(ttl=ttl, fresh=not wanted.cache))


def _refuse_mistyped(given: Mapping[Any, Any]) -> None:
    """Refuse a number for a boolean, and a boolean for a number, which Python takes for each other."""
    for name, value in given.items():
        kind = DOCUMENT_OPTIONS[name].kind if name in DOCUMENT_OPTIONS else None
        is_flag, is_number = isinstance(value, bool), isinstance(value, int | float)
        if (is_flag and isinstance(kind, Whole | Number)) or (is_number and not is_flag and isinstance(kind, Boolean)):
            raise InvalidOption(f"must be {kind.words}", field=name)


def _read_document(given: Mapping[Any, Any]) -> Document:
    """Read the HTML of a body, or make it of the Markdown there."""
    if ("html" in given) == ("markdown" in given):
        raise InvalidOption("send one of them", field="html, markdown")
    if "theme" in given and "html" in given:
        raise InvalidOption("is for markdown; remove it, or send markdown", field="theme")
    network, theme = given.get("network", False), given.get("theme", THEMES[0])
    if not isinstance(network, bool):
        raise InvalidOption(f"must be {Boolean().words}", field="network")
    if theme not in THEMES:
        raise InvalidOption(f"must be {either(THEMES)}", field="theme")
    name = "html" if "html" in given else "markdown"
    try:
        html = read_html(given["html"]) if name == "html" else render_markdown(read_markdown(given["markdown"]), theme)
    except ValueError as err:
        raise InvalidOption(f"must be {err}", field=name) from None
    return Document(html, network)


def _read_rendition(query: bytes, preferred: str) -> tuple[Rendition, bool]:
    options = _read_options(query)
    _refuse_unknown(options, SITE_IMAGE_OPTIONS, _advise_image)
    values = vars(_validated(_Image, options))
    negotiated = values["format"] == AUTO
    return Rendition(**values | ({"format": preferred} if negotiated else {})), negotiated


def _read_options(query: bytes) -> dict[str, str]:
    """Decode the options of a query string, without blanks around them and without what other programs append."""
    pairs = read_query(query)
    _refuse_repeated(pairs)
    options: dict[str, str] = {}
    for name, value in pairs:
        if name in CACHE_BUSTERS and not 1 <= len(value) <= LONGEST_BUSTER:
            raise InvalidOption(
                f"is for the browser's cache alone; set it to 1 to {LONGEST_BUSTER} characters, or {LEAVE_OUT}",
                field=name,
            )
        if not is_appended(name):
            options[name] = value.strip(BLANKS)
    return options


def _names(group: "type[DataclassInstance]") -> tuple[str, ...]:
    return tuple(each.name for each in callers_options(group))


_CAPTURE = (*_names(CaptureOptions)[1:], "transparent")  # which callers may set of documents alone
_RENDITION, _DELIVERY = _names(Rendition), _names(Delivery)
_MEANINGLESS = {"pdf": frozenset(_RENDITION) - {"format"}} | {
    name: frozenset({"quality", "provenance"}) for name in FORMATS if name not in FILES
}
_ORIGINAL_QUALITY = next(each.default for each in options_of(CaptureOptions) if each.name == "quality")
_SET_BY_OPERATOR = tuple(each for each in THUMBNAIL_OPTIONS.values() if each.setting)
_ALLOWED_BY_OPERATOR = tuple(each for each in THUMBNAIL_OPTIONS.values() if each.allowed_by)

_DOCUMENTS_OWN = dict.fromkeys(("html", "markdown", "theme", "network"))
_OF_DOCUMENTS = frozenset(
    {*contract.DOCUMENT_OPTIONS, "w", "h", "fit", "provenance", "ttl", "fresh", "wait", "persist", "webhook_url"}
)
_DOCUMENT_DEFAULTS: Mapping[str, dict[str, Any]] = {
    **{
        name: {"kind": kind, "default": contract.DOCUMENT_DEFAULTS[name]}
        for name, kind in contract.DOCUMENT_SIDES.items()
    },
    "transparent": {"meaning": "leave out the browser's white background, where the document has none of its own"},
}
_A_DOCUMENT = '{"html": "<h1>Hello</h1>"}'

_IN_CONTRACTS_QUERY = {"js"}  # SnapSharp's client for Go sends it so, and the picture is the caller's own in any case

_OUTPUT = {"width": "w", "height": "h"}  # what is meant by a viewport of the size of a thumbnail

# A page's URL in a query that was not percent-encoded, and has a query of its own.
_UNENCODED = re.compile(rb"(?:^|&)url=[^&]*\?")

_BOOLEANS = dict.fromkeys(("true", "1", "yes", "on", ""), True) | dict.fromkeys(("false", "0", "no", "off"), False)
# Only the browser can validate a selector. Text without a visible character, or with a control, is refused here.
_VISIBLE = r"^[^\x00-\x1f\x7f]*[^\x00-\x20\x7f][^\x00-\x1f\x7f]*$"


def _boolean(value: object) -> object:
    return _BOOLEANS.get(value.lower(), value) if isinstance(value, str) else value


def _digits(kind: Kind, value: object) -> object:
    """Refuse the underscores that Python's numbers may have."""
    if isinstance(value, str) and "_" in value:
        raise ValueError(kind.words)
    return value


def _rounded(kind: Whole, value: object) -> object:
    """Round a fraction in a text, halves up."""
    fraction = rounded(value) if isinstance(value, str) else None
    return _digits(kind, value) if fraction is None else fraction


def _spelled(kind: Preset, value: object) -> object:
    return kind.spelled(value) if isinstance(value, str) else value


def _chosen(kind: Choice, value: object) -> object:
    return kind.aliases.get(value, value) if isinstance(value, str) else value


def _zone(kind: Zone, name: str) -> str:
    if not kind.accepts(name):
        raise ValueError(kind.words)
    return name


# The type by which pydantic reads a value of each kind, from a query or a JSON body.
_TYPES: dict[type, Callable[[Any], Any]] = {
    Whole: lambda kind: Annotated[int, Field(ge=kind.low, le=kind.high), BeforeValidator(partial(_rounded, kind))],
    Number: lambda kind: Annotated[float, Field(ge=kind.low, le=kind.high), BeforeValidator(partial(_digits, kind))],
    Boolean: lambda _: Annotated[bool, BeforeValidator(_boolean)],
    Choice: lambda kind: Annotated[Literal.__getitem__(kind.values), BeforeValidator(partial(_chosen, kind))],
    Selector: lambda kind: Annotated[str, Field(min_length=1, max_length=kind.longest, pattern=_VISIBLE)],
    Code: lambda kind: Annotated[str, BeforeValidator(partial(read_code, words=kind.words))],
    Parts: lambda kind: Annotated[Any, BeforeValidator(kind.read)],
    Preset: lambda kind: Annotated[Literal.__getitem__(kind.values), BeforeValidator(partial(_spelled, kind))],
    Matching: lambda kind: Annotated[str, Field(pattern=f"^(?:{kind.pattern})$")],
    Zone: lambda kind: Annotated[str, AfterValidator(partial(_zone, kind))],
    Time: lambda kind: Annotated[int, Field(ge=0), BeforeValidator(partial(_digits, kind))],
    Text: lambda _: str,
    # One wrong text is enough for an error: twenty thousand of them would cost 80 ms to describe.
    Texts: lambda kind: Annotated[tuple[str, ...], Field(min_length=1, max_length=kind.most, fail_fast=True)],
}


def _model(name: str, options: Iterable[Option], **instead: Kind) -> type[BaseModel]:
    """Make the model of a caller's options; None is an option left out. `instead` replaces the kind of some."""
    fields: dict[str, Any] = {}
    for option in options:
        kind = instead.get(option.name, option.kind)
        default = None if option.setting else option.default
        type_ = _TYPES[type(kind)](kind)
        field = Field(... if option.required else default, description=kind.words)
        fields[option.name] = (type_ | None if default is None else type_, field)
    return create_model(name, __config__=ConfigDict(extra="forbid", frozen=True), **fields)


def schema_of(options: Iterable[Option], **instead: Kind) -> dict[str, Any]:
    """Return the JSON Schema of an object with these options, as requests are validated. `instead` is as for a model.

    It does not tell which texts pass for a number or a boolean, nor the parts of a value of several parts.
    """
    return _model("Options", options, **instead).model_json_schema()


# What applies to a document: it is shown as it was written, so nothing in it is blocked or hidden, and it asks no site.
DOCUMENT_OPTIONS: Mapping[str, Option] = MappingProxyType(
    {
        each.name: replace(each, **_DOCUMENT_DEFAULTS.get(each.name, {}))
        for group in (CaptureOptions, Rendition, Delivery, JobOptions)
        for each in options_of(group)
        if each.name in _OF_DOCUMENTS and (each.meaning or each.name == "transparent")
    }
)
_Query = _model("QueryOptions", THUMBNAIL_OPTIONS.values(), format=Choice((*FORMATS, AUTO), FORMAT_ALIASES))
# No `auto`: `Accept` is about the JSON answer. And no data URL, which nobody needs in a permanent place.
_Body = _model("BodyOptions", THUMBNAIL_OPTIONS.values(), format=Choice(FILES, FORMAT_ALIASES))
_Image = _model(
    "ImageQuery",
    SITE_IMAGE_OPTIONS.values(),
    format=Choice((*(name for name in FILES if name != "pdf"), AUTO), FORMAT_ALIASES),
)
_Card = _model("CardQuery", CARD_OPTIONS.values())
_Job = _model("JobBody", JOB_OPTIONS.values())
_Document = _model("DocumentBody", DOCUMENT_OPTIONS.values(), format=Choice((*FILES, AUTO), FORMAT_ALIASES))


def _read(read: Callable[[], T]) -> T:
    """Call a reader of the contract, and raise its refusals as our own."""
    try:
        return read()
    except contract.NotOffered as err:
        raise PaidOption(err.reason, field=err.name) from None
    except contract.BadOption as err:
        raise InvalidOption(err.reason, field=err.name) from None


def _implied(given: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return implied({name: value for name, value in given.items() if value is not None})
    except Contradiction as err:
        raise InvalidOption(str(err), field=err.name) from None


def _refuse_beside_format(format_: str, given: Iterable[str]) -> None:
    """Refuse what has no meaning for a printed page, or for a data URL, which has the best quality that fits and no more."""
    for name in sorted(_MEANINGLESS.get(format_, frozenset()).intersection(given)):
        raise InvalidOption(f"cannot be combined with format={format_}; remove it", field=name)


def _refuse_forbidden(values: Mapping[str, Any], forbidden: Iterable[Option]) -> None:
    for option in forbidden:
        if values[option.name] != option.default:
            setting = option.allowed_by.upper()
            raise InvalidOption(f"is not allowed here; its operator sets {setting}=true to allow it", field=option.name)


def _refuse_repeated(pairs: Iterable[tuple[str, str]]) -> None:
    for name, count in Counter(name for name, _ in pairs).items():
        if count > 1 and (name in THUMBNAIL_OPTIONS or name in CACHE_BUSTERS):
            raise InvalidOption(f"is set {count} times; send it once", field=name)


def _require_light(count: int, shared: Mapping[str, Any]) -> None:
    """Refuse a batch whose jobs would hold very much text: each of them has its own copy."""
    names = sorted(BULKY.intersection(shared))
    characters = count * sum(len(json.dumps(shared[name])) for name in names)
    if characters > MOST_BULK:
        most = MOST_BULK // (characters // count)
        raise InvalidOption(f"must be at most {most} in a batch with so much text in {', '.join(names)}", field="urls")


def _refuse_in_query(names: Iterable[str]) -> None:
    """Refuse options that may be secrets: URLs are logged, remembered and passed on by everything that they meet."""
    for name in names:
        if name in PRIVATE:
            raise InvalidOption("must not be in a URL; send the options as the JSON body of a POST", field=name)


def _object(body: object, example: str = '{"url": "https://example.com/"}') -> Mapping[Any, Any]:
    if not isinstance(body, Mapping):
        raise InvalidOption(f"the body must be a JSON object such as {example}")
    return body


def _refuse_unknown(
    given: Mapping[Any, Any], known: Mapping[str, object], advise: Callable[[str], str] | None = None
) -> None:
    """Refuse a name that is no option. `advise` says what to do about it."""
    for name in given:
        if name not in known:
            shown = str(name)[:40]
            advice = advise(shown) if advise else nearest_advice(shown, known) or LEAVE_OUT
            raise InvalidOption(f"is not an option; {advice}", field=shown)


def _advise_image(name: str) -> str:
    if nearest := nearest_advice(name, SITE_IMAGE_OPTIONS):
        return nearest
    if name in THUMBNAIL_OPTIONS:
        return "only the picture's size and format can be chosen"
    return query_advice(name, SITE_IMAGE_OPTIONS)


def _validated(model: type[BaseModel], given: Mapping[Any, Any]) -> BaseModel:
    try:
        return model.model_validate(given)
    except ValidationError as err:
        first = err.errors(include_url=False, include_input=False)[0]
    name = str(first["loc"][0])
    kind = InvalidURL if name == "url" else InvalidOption
    # A reader of `options.values` says more exactly what is wrong, in words that hold no value of the caller's.
    reason = first.get("ctx", {}).get("error") or model.model_fields[name].description
    meant = _OUTPUT.get(name) if first["type"] == "greater_than_equal" else None
    raise kind(f"must be {reason}{f'; {meant} is the size of the picture' if meant else ''}", field=name)
