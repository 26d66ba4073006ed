"""What to purge, as an operator or a program writes it."""

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from access import BlockedPattern
from errors import InvalidOption
from netguard import Guard
from options import DOCUMENT_SCHEMES
from purge import tags
from sites import Catalogue
from thumbnails import MOST_MARKS, Scope
from urls import over_http, parse_typed_url

_WHAT = ("url", "host", "site", "tag", "all")
_LONGEST_HOST = 255
_OLDEST = 10 * 365 * 86400  # seconds


@dataclass(frozen=True, slots=True)
class PurgeOrder:
    """Pictures of `scopes` that were captured before `before` (Unix seconds) are shown no more.

    `tags` are those of stored answers in the caches in front, `sites` the ids of sites whose pictures are rendered anew.
    """

    what: str
    scopes: tuple[Scope, ...]
    tags: tuple[str, ...]
    before: float
    sites: tuple[int, ...] = ()


class PurgeReader:
    """Reads orders by the rules of one installation."""

    def __init__(self, guard: Guard, catalogue: Catalogue) -> None:
        self._guard = guard
        self._catalogue = catalogue

    def read(self, body: object) -> PurgeOrder:
        """Read one of `url`, `host`, `site`, `tag` and `all`, and perhaps `older_than`, which alone stands for all.

        Raises InvalidOption, InvalidURL or BlockedTarget, each about a field, NotFound for an unknown site, or
        DatabaseUnavailable.
        """
        given = _object(body)
        what = [name for name in _WHAT if name in given]
        if len(what) > 1:
            raise InvalidOption("send only one of them", field=", ".join(what))
        if not what and "older_than" not in given:
            raise InvalidOption(f"send one of {', '.join(_WHAT)}, or older_than")
        before = _moment(given["older_than"]) if "older_than" in given else time.time()
        return replace(self._read(what[0] if what else "all", given), before=before)

    def _read(self, what: str, given: Mapping[str, Any]) -> PurgeOrder:
        value = given.get(what, True)
        match what:
            case "url":
                return self._page(value)
            case "host":
                return _host(value)
            case "site":
                return self._site(value)
            case "tag":
                return self._tag(value)
        if value is not True:
            raise InvalidOption("must be true", field="all")
        return PurgeOrder("all", (Scope.everything(),), (tags.EVERYTHING,), 0)

    def _page(self, value: object) -> PurgeOrder:
        text = _text(value, "url").strip()
        if text.partition(":")[0] in DOCUMENT_SCHEMES:  # as the log names it
            return PurgeOrder("url", (Scope.page(text),), (tags.page_tag(text),), 0)
        target, http_too = parse_typed_url(text, self._guard)
        pages = [target.url, over_http(target).url] if http_too else [target.url]
        return PurgeOrder("url", tuple(map(Scope.page, pages)), tuple(map(tags.page_tag, pages)), 0)

    def _site(self, value: object) -> PurgeOrder:
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise InvalidOption("must be the number of a site", field="site")
        return _of_sites("site", {value: self._catalogue.get(value).url})

    def _tag(self, value: object) -> PurgeOrder:
        found = self._catalogue.urls_of_tag(_text(value, "tag").strip(), MOST_MARKS + 1)
        if not found:
            raise InvalidOption("no site has this tag", field="tag")
        if len(found) > MOST_MARKS:
            raise InvalidOption(f"more than {MOST_MARKS} sites have this tag; purge all, or by host", field="tag")
        return _of_sites("tag", found)


def _object(body: object) -> Mapping[str, Any]:
    if not isinstance(body, Mapping):
        raise InvalidOption('the body must be an object such as {"url": "https://example.com/"}')
    for name in body:
        if name not in (*_WHAT, "older_than"):
            raise InvalidOption(f"is unknown; choose from {', '.join(_WHAT)} and older_than", field=str(name)[:40])
    return body


def _of_sites(what: str, urls: Mapping[int, str]) -> PurgeOrder:
    """Purge sites, whose `urls` are given by their ids."""
    scopes = tuple(Scope.page(url) for url in urls.values())
    all_tags = [tag for id_, url in urls.items() for tag in (tags.page_tag(url), tags.site_tag(id_))]
    return PurgeOrder(what, scopes, tuple(all_tags), 0, tuple(urls))


def _host(value: object) -> PurgeOrder:
    text = _text(value, "host").strip()
    refusal = InvalidOption("must be a host such as example.com, or *.example.com", field="host")
    if len(text) > _LONGEST_HOST or "/" in text:
        raise refusal
    try:
        return of_patterns([BlockedPattern.parse(text)])
    except ValueError:
        raise refusal from None


def of_patterns(patterns: Sequence[BlockedPattern], what: str = "host", before: float = 0) -> PurgeOrder:
    """Purge hosts, or their subdomains; where a pattern has a path, more than that."""
    scopes = dict.fromkeys(Scope.host(each.host, subdomains=each.subdomains) for each in patterns)
    found = dict.fromkeys(_tag_of(each) for each in patterns)
    return PurgeOrder(what, tuple(scopes), tuple(found), before)


def _tag_of(pattern: BlockedPattern) -> str:
    return tags.domain_tag(pattern.host) if pattern.subdomains else tags.host_tag(pattern.host)


def _text(value: object, field: str) -> str:
    if not isinstance(value, str) or not value.strip() or re.search("[\0\ud800-\udfff]", value):
        raise InvalidOption("must be a text", field=field)
    return value


def _moment(value: object) -> float:
    """Read a number of seconds, or a moment with its time zone."""
    now = time.time()
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _OLDEST:
        return now - value
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            moment = None
        if moment is not None and moment.tzinfo is not None and 0 < moment.timestamp() <= now:
            return moment.timestamp()
    example = datetime(2026, 1, 31, 12, tzinfo=UTC).isoformat().replace("+00:00", "Z")
    raise InvalidOption(
        f"must be an age in seconds from 0 to {_OLDEST}, or a moment in the past such as {example}", field="older_than"
    )
