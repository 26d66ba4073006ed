"""The Atom feed of changes (RFC 4287), for people without a server. Pure."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from urllib.parse import urlencode
from xml.etree.ElementTree import Element, SubElement, tostring

from sites.history import Changed

_ATOM = "http://www.w3.org/2005/Atom"
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # https://www.w3.org/TR/xml/#charsets
_START = datetime(1970, 1, 1, tzinfo=UTC)


def write_feed(changes: Sequence[Changed], tags: Sequence[str], base: str) -> bytes:
    """Write the feed of `changes`, the newest first, of sites that have all `tags`. `base` is the URL of the service."""
    query = "?" + urlencode([("tag", tag) for tag in tags]) if tags else ""
    here = f"{base}/sites/feed.atom{query}"
    feed = Element("feed", xmlns=_ATOM)
    _add(feed, "id", here)
    _add(feed, "title", "Changed sites" + (f": {', '.join(tags)}" if tags else ""))
    _add(feed, "updated", _moment(max((each.version.captured_at for each in changes), default=_START)))
    _add(_add(feed, "author"), "name", "Thumbnails")
    _add(feed, "link", rel="self", type="application/atom+xml", href=here)
    for each in changes:
        _add_entry(feed, each, base)
    written: bytes = tostring(feed, encoding="utf-8", xml_declaration=True)
    return written


def _add_entry(feed: Element, changed: Changed, base: str) -> None:
    site, version = changed.site, changed.version
    image = f"{base}/sites/{site.id}/versions/{version.number}/image"
    entry = _add(feed, "entry")
    _add(entry, "id", f"{base}/sites/{site.id}/versions/{version.number}")
    _add(entry, "title", site.title or site.url)
    _add(entry, "updated", _moment(version.captured_at))
    _add(entry, "link", rel="alternate", type="text/html", href=_page_of(changed, base))
    _add(entry, "link", rel="related", href=site.url)
    _add(entry, "link", rel="enclosure", type=version.content_type, href=image)
    _add(entry, "summary", f"{version.change:g} % of the picture changed.")
    for tag in site.tags:
        _add(entry, "category", term=tag)


def _page_of(changed: Changed, base: str) -> str:
    """Return the URL of the page that shows what has changed, beside the site's history."""
    numbers = [("from", changed.previous), ("to", changed.version.number)]
    return f"{base}/gallery/{changed.site.id}?" + urlencode([pair for pair in numbers if pair[1]])


def _add(parent: Element, name: str, text: str = "", **attributes: str) -> Element:
    element = SubElement(parent, name, {key: _NO_XML.sub("", value) for key, value in attributes.items()})
    element.text = _NO_XML.sub("", text) or None
    return element


def _moment(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")
