"""Is this request an advertisement? Adblock Plus filter lists through Brave's engine.

For pictures without advertisements, never for safety: it judges a name, not the address that is dialled.
"""

from collections.abc import Iterable
from pathlib import Path

import adblock
import structlog

log = structlog.get_logger()

# The protocol's resource types as filter lists call them; what is missing here is `other`.
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


class AdFilter:
    def __init__(self, lists: Iterable[str]) -> None:
        filters = adblock.FilterSet()
        for text in lists:
            filters.add_filter_list(text)
        self._engine = adblock.Engine(filters)

    def blocks(self, url: str, page_url: str, resource_type: str) -> bool:
        """Tell whether `url`, wanted by `page_url` as the protocol's `resource_type`, is an advertisement."""
        kind = KINDS.get(resource_type, "other")
        return bool(self._engine.check_network_urls(url, page_url, kind).matched)


def load(paths: Iterable[Path]) -> AdFilter | None:
    """Read the lists that are there, some 0.4 s for Debian's two. Gives None, and says so, where there is none."""
    lists = [text for path in paths if (text := _read(path))]
    if not lists:
        log.warning("no filter list is present: block_ads does nothing")
        return None
    return AdFilter(lists)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as err:
        log.warning("a filter list cannot be read", path=str(path), reason=type(err).__name__)
        return ""
