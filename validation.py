"""Untrusted mapping → ThumbnailRequest. Pure: syntax only. Every refusal names the field and its valid values."""

import difflib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from pydantic import BaseModel, ValidationError

from errors import BlockedTarget, InvalidOption, InvalidURL, ThumbnailError
from model import CaptureOptions, Delivery, Rendition, ThumbnailRequest
from netguard import Guard
from options import BodyOptions, JobOptions, Options
from urls import parse_url

Model = TypeVar("Model", bound=BaseModel)


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
            raise found.untraced()
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
            raise InvalidOption("give one of them", field="url, urls")
        else:
            pictures = tuple(self._parse_one_of(own.urls, index, shared) for index in range(len(own.urls)))
        return JobWish(pictures, own.urls is not None, own.webhook_url, own.persist)

    def _parse_one_of(self, urls: list[str], index: int, shared: Mapping[Any, Any]) -> ThumbnailRequest:
        try:
            return self._parse_object({**shared, "url": urls[index]})
        except (InvalidURL, BlockedTarget) as err:
            raise err.about(f"urls[{index}]") from err.__cause__

    def _parse_object(self, given: Mapping[Any, Any]) -> ThumbnailRequest:
        if given.get("format") == "auto":
            raise InvalidOption("auto is for /thumb alone; name the format that is to stay", field="format")
        return self._parse(given, BodyOptions)

    def _parse_or_refuse(self, query: bytes, preferred: str) -> ThumbnailRequest | ThumbnailError:
        try:
            return self._parse_query(query, preferred)
        except ThumbnailError as err:
            return err.untraced()

    def _parse_query(self, query: bytes, preferred: str) -> ThumbnailRequest:
        try:
            pairs = parse_qsl(query.decode("ascii", "replace"), keep_blank_values=True, max_num_fields=64)
        except ValueError:
            raise InvalidOption("the query has more than 64 options") from None
        _refuse_repeated(pairs)
        return self._parse(dict(pairs), Options, preferred)

    def _parse(self, given: Mapping[Any, Any], model: type[Options], preferred: str = "") -> ThumbnailRequest:
        _refuse_unknown(given, Options.model_fields)
        if given.get("url") is None:
            raise InvalidURL("is missing; give an absolute http:// or https:// URL")
        options = _validated(model, given)
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
        raise InvalidOption("cannot be combined with format=pdf", field=name)
    return "print"


def _refuse_repeated(pairs: Iterable[tuple[str, str]]) -> None:
    for name, count in Counter(name for name, _ in pairs).items():
        if count > 1 and name in Options.model_fields:
            raise InvalidOption(f"is given {count} times; give it once", field=name)


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
            raise InvalidOption(f"is not an option; {hint}", field=shown)


def _validated(model: type[Model], given: Mapping[Any, Any]) -> Model:
    try:
        return model.model_validate(given)
    except ValidationError as err:
        name = str(err.errors(include_url=False, include_input=False)[0]["loc"][0])
    kind = InvalidURL if name == "url" else InvalidOption
    raise kind(f"must be {model.model_fields[name].description}", field=name)
