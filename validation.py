"""Untrusted mapping → ThumbnailRequest. Syntax only: nothing here looks a name up or touches the network.

The URL is read by the WHATWG algorithm, the browser's own, so that what is judged is what will be opened.
Every refusal names the field and its valid values.
"""

import copy
import difflib
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import parse_qsl

import can_ada
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

import netguard
from errors import BlockedTarget, InvalidOption, InvalidURL, ThumbnailError
from model import CaptureOptions, Delivery, Rendition, ThumbnailRequest
from netguard import Guard, Verdict

Model = TypeVar("Model", bound=BaseModel)
MAX_URL_BYTES = 2048
LONGEST_TTL = 2592000  # seconds
MAX_BATCH = 100
NOT_PUBLIC = "url: the target is not a public web address"

_DEFAULT_PORTS = {"http:": 80, "https:": 443}
# C0, space, DEL, C1, NBSP and other spaces, backslash; bidi controls and zero-width characters: what a browser
# would repair or a reader would not see. (A soft hyphen is left to IDNA, which drops it.)
_UNWELCOME = re.compile(
    "[\x00-\x20\x7f-\xa0\\\\\u061c\u1680\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff\ud800-\udfff]"
)
_CLIENT_ROUTES = ("#/", "#!")  # fragments that choose a page in the browser; any other only scrolls


def parse_url(text: str, guard: Guard) -> str:
    """Give the canonical spelling of `text`. Raises InvalidURL or BlockedTarget."""
    if not text:
        raise InvalidURL("url: is missing; give an absolute http:// or https:// URL")
    if len(text) > MAX_URL_BYTES or len(text.encode(errors="replace")) > MAX_URL_BYTES:
        raise InvalidURL(f"url: is too long; at most {MAX_URL_BYTES} bytes of UTF-8")
    if _UNWELCOME.search(text):
        raise InvalidURL("url: holds a space, a control, a backslash or an invisible character; percent-encode it")
    url = _parse_whatwg(text)
    _screen(url, guard)
    if not url.hash.startswith(_CLIENT_ROUTES):
        url.hash = ""
    return str(url.href)


def target_of(url: str) -> tuple[str, int]:
    """Give host and port of a canonical `url`."""
    parsed = can_ada.parse(url)
    return parsed.hostname, int(parsed.port or _DEFAULT_PORTS[parsed.protocol])


def _parse_whatwg(text: str) -> can_ada.URL:
    try:
        url = can_ada.parse(text)
    except ValueError:
        raise InvalidURL("url: is not an absolute http:// or https:// URL") from None
    if url.protocol not in _DEFAULT_PORTS:
        raise InvalidURL("url: must start with http:// or https://")
    authority = _authority(text)
    if "@" in authority:
        raise InvalidURL("url: must not hold a user name or a password")
    url.hostname = url.hostname.removesuffix(".")
    _require_plain_address(url.hostname, authority)
    return url


def _authority(text: str) -> str:
    """The host and port as the caller wrote them: the scheme is known to be http or https by now."""
    return re.split(r"[/?#]", text.partition(":")[2].lstrip("/"), maxsplit=1)[0]


def _require_plain_address(hostname: str, authority: str) -> None:
    """Refuse an address in any but its usual spelling: octal, hex, short and full-width forms only serve to hide."""
    if netguard.literal(hostname) and re.sub(r":[0-9]*$", "", authority).lower() != hostname:
        raise InvalidURL("url: write an address in its usual form, such as 93.184.216.34 or [2606:4700::1111]")


def _screen(url: can_ada.URL, guard: Guard) -> None:
    port = int(url.port or _DEFAULT_PORTS[url.protocol])
    verdict = guard.screen(url.hostname, port)
    if verdict is Verdict.BAD_NAME:
        raise InvalidURL("url: the host is not a domain name; labels of letters, digits, - and _, at most 253 in all")
    if verdict is Verdict.PORT:
        ports = " or ".join(map(str, sorted(guard.ports)))
        raise BlockedTarget(f"url: the port must be {ports}", verdict=verdict)
    if not verdict.ok and verdict is not Verdict.NEEDS_LOOKUP:
        raise BlockedTarget(NOT_PUBLIC, verdict=verdict)


_BOOLEANS = dict.fromkeys(("true", "1", "yes", "on", ""), True) | dict.fromkeys(("false", "0", "no", "off"), False)


def _boolean(value: object) -> object:
    return _BOOLEANS.get(value.lower(), value) if isinstance(value, str) else value


Boolean = Annotated[bool, BeforeValidator(_boolean)]
_BOOLEAN = "true or false"


def _whole(default: int | None, low: int, high: int, unit: str = "") -> Any:
    return Field(default, ge=low, le=high, description=f"a whole number{unit} from {low} to {high}")


def _selector(longest: int) -> Any:
    # Only the browser can tell a selector; what cannot be one is refused here, before it costs a capture.
    visible = r"^[^\x00-\x1f\x7f]*[^\x00-\x20\x7f][^\x00-\x1f\x7f]*$"
    return Field(
        None,
        min_length=1,
        max_length=longest,
        pattern=visible,
        description=f"a CSS selector of 1 to {longest} characters",
    )


class Options(BaseModel):
    """The options as a caller writes them; `None` stands for "not given"."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str = Field(description="an absolute http:// or https:// URL")
    width: int = _whole(1280, 320, 3840, " of CSS pixels")
    height: int = _whole(720, 240, 2160, " of CSS pixels")
    full_page: Boolean = Field(default=False, description=_BOOLEAN)
    scale: float = Field(1.0, ge=1, le=3, description="a number from 1 to 3")
    delay: int = _whole(0, 0, 10000, " of milliseconds")
    wait_until: Literal["load", "domcontentloaded", "networkidle"] = Field(
        "load", description="load, domcontentloaded or networkidle"
    )
    wait_for: str | None = _selector(256)
    selector: str | None = _selector(256)
    hide: str | None = _selector(1024)
    block_ads: Boolean | None = Field(None, description=_BOOLEAN)
    block_cookie_banners: Boolean | None = Field(None, description=_BOOLEAN)
    dark_mode: Boolean = Field(default=False, description=_BOOLEAN)

    w: int | None = _whole(None, 16, 3840, " of pixels")
    h: int | None = _whole(None, 16, 3840, " of pixels")
    fit: Literal["cover", "contain", "inside"] = Field("cover", description="cover, contain or inside")
    format: Literal["png", "webp", "jpeg", "avif", "auto", "pdf"] = Field(
        "png", description="png, webp, jpeg, avif, auto or pdf"
    )
    quality: int = _whole(80, 1, 100)

    ttl: int | None = _whole(None, 60, LONGEST_TTL, " of seconds")
    fresh: Boolean = Field(default=False, description=_BOOLEAN)
    wait: int | None = _whole(None, 0, 120, " of seconds")
    expires: int | None = Field(None, ge=0, description="a Unix time in seconds")
    sig: str | None = Field(None, description="a signature")


class JobOptions(BaseModel):
    """What `/screenshots` takes besides the options of a thumbnail."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    urls: Annotated[list[str], Field(min_length=1, max_length=MAX_BATCH)] | None = Field(
        None, description=f"a list of 1 to {MAX_BATCH} absolute http:// or https:// URLs"
    )
    webhook_url: str | None = Field(None, description="an absolute https:// URL")
    persist: Boolean = Field(default=False, description=_BOOLEAN)


@dataclass(frozen=True, slots=True)
class JobWish:
    """A validated wish for one picture, or for a batch of them."""

    pictures: tuple[ThumbnailRequest, ...]
    batch: bool = False
    webhook_url: str | None = None
    persist: bool = False


class Validator:
    """Turns queries and JSON bodies into requests, by the rules of one installation. Pure, so queries are memoised."""

    def __init__(self, guard: Guard, *, block_ads: bool = True) -> None:
        self._guard = guard
        self._block_ads = block_ads
        self._remembered = lru_cache(maxsize=4096)(self._parse_or_refuse)

    def parse_query(self, query: bytes, preferred: str = "png") -> ThumbnailRequest:
        """Read a raw query string; `format=auto` becomes `preferred`.

        Raises InvalidOption, InvalidURL or BlockedTarget.
        """
        found = self._remembered(query, preferred)
        if isinstance(found, ThumbnailError):
            raise copy.copy(found)  # an exception that is raised collects what it passes through
        return found

    def parse_json(self, body: object) -> ThumbnailRequest:
        """Read a decoded JSON body. Raises InvalidOption, InvalidURL or BlockedTarget."""
        return self._parse_object(_object(body))

    def parse_job(self, body: object) -> JobWish:
        """Read a decoded JSON body of `/screenshots`. Raises InvalidOption, InvalidURL or BlockedTarget."""
        given = _object(body)
        _refuse_unknown(given, {**Options.model_fields, **JobOptions.model_fields})
        own = _validated(JobOptions, {name: given[name] for name in given if name in JobOptions.model_fields})
        shared = {name: given[name] for name in given if name in Options.model_fields}
        if own.urls is None:
            pictures: tuple[ThumbnailRequest, ...] = (self._parse_object(shared),)
        elif "url" in shared:
            raise InvalidOption("url, urls: give one of them")
        else:
            pictures = tuple(self._parse_one_of(own.urls, index, shared) for index in range(len(own.urls)))
        return JobWish(pictures, own.urls is not None, own.webhook_url, own.persist)

    def _parse_one_of(self, urls: list[str], index: int, shared: Mapping[Any, Any]) -> ThumbnailRequest:
        try:
            return self._parse_object({**shared, "url": urls[index]})
        except (InvalidURL, BlockedTarget) as err:
            err.detail = f"urls[{index}]{err.detail.removeprefix('url')}"
            raise

    def _parse_object(self, given: Mapping[Any, Any]) -> ThumbnailRequest:
        if given.get("format") == "auto":
            raise InvalidOption("format: auto is for /thumb alone; name the format that is to stay")
        return self._parse(given, "")

    def _parse_or_refuse(self, query: bytes, preferred: str) -> ThumbnailRequest | ThumbnailError:
        try:
            return self._parse_query(query, preferred)
        except ThumbnailError as err:
            return copy.copy(err)  # without its context, which holds the caller's input

    def _parse_query(self, query: bytes, preferred: str) -> ThumbnailRequest:
        try:
            pairs = parse_qsl(query.decode("ascii", "replace"), keep_blank_values=True, max_num_fields=64)
        except ValueError:
            raise InvalidOption("the query has more than 64 options") from None
        _refuse_repeated(pairs)
        return self._parse(dict(pairs), preferred)

    def _parse(self, given: Mapping[Any, Any], preferred: str) -> ThumbnailRequest:
        _refuse_unknown(given, Options.model_fields)
        if given.get("url") is None:
            raise InvalidURL("url: is missing; give an absolute http:// or https:// URL")
        options = _validated(Options, given)
        return self._build(options, parse_url(options.url, self._guard), preferred)

    def _build(self, options: Options, url: str, preferred: str) -> ThumbnailRequest:
        ads = self._block_ads if options.block_ads is None else options.block_ads
        banners = self._block_ads if options.block_cookie_banners is None else options.block_cookie_banners
        picked = {name: getattr(options, name) for name in _CAPTURE_NAMES}
        capture = CaptureOptions(
            **picked | {"url": url, "block_ads": ads, "block_cookie_banners": banners, "medium": _medium(options)}
        )
        format_ = preferred if options.format == "auto" else options.format
        rendition = Rendition(options.w, options.h, options.fit, format_, options.quality)
        delivery = Delivery(
            options.ttl, options.fresh, options.wait, options.expires, negotiated=options.format == "auto"
        )
        return ThumbnailRequest(capture, rendition, delivery)


_CAPTURE_NAMES = frozenset(CaptureOptions.__dataclass_fields__) & frozenset(Options.model_fields)
_IMAGE_ONLY = frozenset({"w", "h", "fit", "quality"})


def _medium(options: Options) -> str:
    """A PDF is printed, not drawn: another capture, and one that cannot be scaled."""
    if options.format != "pdf":
        return "screen"
    for name in sorted(_IMAGE_ONLY & options.model_fields_set):
        raise InvalidOption(f"{name}: cannot be combined with format=pdf")
    return "print"


def _refuse_repeated(pairs: Iterable[tuple[str, str]]) -> None:
    for name, count in Counter(name for name, _ in pairs).items():
        if count > 1 and name in Options.model_fields:
            raise InvalidOption(f"{name}: is given {count} times; give it once")


def _object(body: object) -> Mapping[Any, Any]:
    if not isinstance(body, Mapping):
        raise InvalidOption('the body must be a JSON object such as {"url": "https://example.com/"}')
    return body


def _refuse_unknown(given: Mapping[Any, Any], known: Mapping[str, object]) -> None:
    for name in given:
        if name not in known:
            shown = str(name)[:40]
            nearest = difflib.get_close_matches(shown, known, n=1)
            hint = f"did you mean {nearest[0]}?" if nearest else "a page's URL must be percent-encoded as a whole"
            raise InvalidOption(f"{shown}: is not an option; {hint}")


def _validated(model: type[Model], given: Mapping[Any, Any]) -> Model:
    try:
        return model.model_validate(given)
    except ValidationError as err:
        name = str(err.errors(include_url=False, include_input=False)[0]["loc"][0])
    kind = InvalidURL if name == "url" else InvalidOption
    raise kind(f"{name}: must be {model.model_fields[name].description}")
