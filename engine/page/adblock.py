"""Recognises requests for advertisements by Adblock Plus filter lists, with Brave's engine.

This improves pictures, not security: it judges names, not the addresses that are dialled.
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

import adblock
import structlog

log = structlog.get_logger()

# The protocol's resource types under their names in filter lists. All others are `other`.
KINDS = {
    "Document": "subdocument",
    "Stylesheet": "stylesheet",
    "Image": "image",
    "Media": "media",
    "Font": "font",
    "Script": "script",
    "XHR": "xmlhttprequest",
    "Fetch": "xmlhttprequest",
    "WebSocket": "websocket",
    "Ping": "ping",
}


MOST_URL_BYTES = 4096  # of a URL that are judged: the page writes it, and the time grows with its length


class RequestFilter(Protocol):
    def blocks(self, url: str, page_url: str, resource_type: str) -> bool:
        """Return whether to refuse `url`, requested by `page_url` as the protocol's `resource_type`."""


class AdFilter:
    def __init__(self, lists: Iterable[str]) -> None:
        filters = adblock.FilterSet()
        for text in lists:
            filters.add_filter_list(text)
        self._engine = adblock.Engine(filters)

    def blocks(self, url: str, page_url: str, resource_type: str) -> bool:
        """Return whether `url` is an advertisement, requested by `page_url` as the protocol's `resource_type`."""
        kind = KINDS.get(resource_type, "other")
        return bool(self._engine.check_network_urls(_head(url), _head(page_url), kind).matched)


def _head(url: str) -> str:
    return url.encode("utf-8", "replace")[:MOST_URL_BYTES].decode("utf-8", "ignore")


def of_trackers(paths: Iterable[Path]) -> list[Path]:
    """Return the lists of trackers, such as EasyPrivacy, by their names; all lists if none is one of trackers alone."""
    paths = list(paths)
    return [path for path in paths if re.search("privacy|track", path.name.lower())] or paths


def load(paths: Iterable[Path]) -> AdFilter | None:
    """Read the lists that exist, in some 0.4 s for Debian's two. Without any, warn and return None."""
    lists = [text for path in paths if (text := _read(path))]
    if not lists:
        log.warning("no filter list was found, so block_ads does nothing: see ENGINE_FILTER_LISTS")
        return None
    return AdFilter(lists)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as err:
        log.warning("a filter list cannot be read", path=str(path), reason=type(err).__name__)
        return ""
