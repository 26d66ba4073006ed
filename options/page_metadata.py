"""What a page says of itself: title, description, icons, preview picture, feeds. The engine reads it with each picture.

It travels in a header, as JSON in ASCII: `X-Page-Metadata: {"title": "An example", …}`. A page may say anything, so each
value has a limit, texts hold no control character, and URLs are http or https. Whether they may be fetched is judged by
those who fetch.
"""

import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, Self

LOAD_HEADER = "X-Engine-Load"  # captures that run or wait, and slots: 3/2
METADATA_HEADER = "X-Page-Metadata"
LONGEST_HEADER = 16 << 10  # bytes; parts are left out until it fits
LONGEST_LINK = 2048
LONGEST_ICON = 6 << 10  # characters of one that is written in the page: an ICO of 32 × 32 pixels
MOST_ICONS, MOST_FEEDS = 8, 5
LONGEST_TITLE, LONGEST_DESCRIPTION, LONGEST_NAME = 300, 1000, 100  # characters
LARGEST_SIDE = 1 << 16  # of a picture that a page announces
# What social networks and chats read of a page that is shared, as the page writes it; `title` is the element.
SHARE_TAGS = (
    "title", "description", "og:title", "og:description", "og:site_name", "og:url", "og:image", "og:image:secure_url",
    "og:image:width", "og:image:height", "og:image:alt", "twitter:card", "twitter:title", "twitter:description",
    "twitter:image", "twitter:image:alt",
)  # fmt: skip
_DISPENSABLE = ("icon_data", "share", "feeds", "description", "icons", "image", "canonical", "url")

_JOINERS = "\u200c\u200d"  # which Persian, the scripts of India, and emoji are written with
_UNSEEN = ("Cc", "Cf", "Cs", "Co")  # controls, bidi controls, lone surrogates, private use
_NO_CHARACTERS = "\ufffe\uffff"  # which XML cannot hold
_HTTP_URL = re.compile(r"https?://[!#-;=?-\[\]-~]+")  # printable ASCII but ", <, > and \, as a browser writes it
# No SVG, and none that only keeps browsers from asking for /favicon.ico, as "data:," does.
_ICON_DATA = re.compile(r"data:(?i:image/(?!svg)[a-z0-9.+-]+(?:;[a-z0-9=-]+)*;base64),[A-Za-z0-9+/=%]+")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{1,8}){0,4}")
_COLOUR = re.compile(r"#[0-9a-f]{6}")
FEED_TYPES = ("application/rss+xml", "application/atom+xml", "application/feed+json")


@dataclass(frozen=True, slots=True)
class LinkedPicture:
    """The picture that a page names for previews, with the size that it announces, 0 × 0 if none."""

    url: str
    width: int = 0
    height: int = 0
    alt: str = ""


@dataclass(frozen=True, slots=True)
class LinkedIcon:
    """An icon; `side` is the longest that it has, in pixels, 0 if the page does not say."""

    url: str
    side: int = 0


@dataclass(frozen=True, slots=True)
class LinkedFeed:
    url: str
    type: str
    title: str = ""


@dataclass(frozen=True, slots=True)
class PageMetadata:
    """What a page says of itself, an empty value for what it does not say. `url` is where all redirects have led.

    `icon_data` is an icon that is written in the page, as a data URL in base64. `share` are its `SHARE_TAGS`, as names and
    texts that nobody has judged; of a page that was read for them, it holds `title` at least.
    """

    url: str = ""
    status: int = 0
    title: str = ""
    description: str = ""
    site_name: str = ""
    author: str = ""
    published: str = ""  # ISO 8601
    language: str = ""
    theme_color: str = ""  # such as #1f6feb
    canonical: str = ""
    image: LinkedPicture | None = None
    icons: tuple[LinkedIcon, ...] = ()
    icon_data: str = ""
    feeds: tuple[LinkedFeed, ...] = ()
    share: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, given: object) -> Self:
        """Read what a script in the page, a header or a record says. Malformed values are left out."""
        values = given if isinstance(given, Mapping) else {}
        return cls(
            url=_url(values.get("url")),
            status=_number(values.get("status"), 999),
            title=clean(values.get("title"), LONGEST_TITLE),
            description=clean(values.get("description"), LONGEST_DESCRIPTION),
            site_name=clean(values.get("site_name"), LONGEST_NAME),
            author=clean(values.get("author"), LONGEST_NAME),
            published=_first(_moment, values.get("published")),
            language=_first(_language, values.get("language")),
            theme_color=_matching(_COLOUR, values.get("theme_color")),
            canonical=_url(values.get("canonical")),
            image=_picture(values.get("image")),
            icons=tuple(dict.fromkeys(_icons(_items(values.get("icons")))))[:MOST_ICONS],
            icon_data=_icon_data(values.get("icon_data")),
            feeds=tuple(dict.fromkeys(_feeds(_items(values.get("feeds")))))[:MOST_FEEDS],
            share=tuple(_share(values.get("share"))),
        )

    @classmethod
    def read(cls, header: str) -> Self:
        """Read the value of the header."""
        if len(header) > LONGEST_HEADER:
            return cls()
        try:
            return cls.of(json.loads(header))
        except (ValueError, RecursionError):
            return cls()

    def __str__(self) -> str:
        """Write the value of the header: without the least important parts, if it would be too long."""
        kept = self
        for name in _DISPENSABLE:
            if len(written := kept.written) <= LONGEST_HEADER:
                return written
            kept = replace(kept, **{name: getattr(NO_METADATA, name)})
        return kept.written

    @property
    def written(self) -> str:
        said = {name: value for name, value in asdict(self).items() if value}
        if self.share:
            said["share"] = dict(self.share)
        return json.dumps(said, separators=(",", ":"))

    @property
    def icon(self) -> str:
        """The URL of the icon that a browser shows in its tab: the first one, as sizes rarely differ in what they show."""
        return self.icons[0].url if self.icons else ""


def clean(text: object, longest: int) -> str:
    """Return `text` in one line of at most `longest` characters, without invisible characters."""
    if not isinstance(text, str):
        return ""
    # A page may have a megabyte of spaces in its title.
    normal = unicodedata.normalize("NFC", text[: 8 * longest])
    plain = normal.isprintable()  # as nearly all are, and looking at each character takes its time
    seen = normal if plain else "".join(each if _is_seen(each) else " " * each.isspace() for each in normal)
    line = " ".join(seen.split()).strip(_JOINERS)
    return line if len(line) <= longest else line[: longest - 1].rstrip() + "…"


def _is_seen(character: str) -> bool:
    if character in _JOINERS:
        return True
    return unicodedata.category(character) not in _UNSEEN and character not in _NO_CHARACTERS


def _url(value: object) -> str:
    usable = isinstance(value, str) and len(value) <= LONGEST_LINK and _HTTP_URL.fullmatch(value)
    return str(value) if usable else ""


def _icon_data(value: object) -> str:
    usable = isinstance(value, str) and len(value) <= LONGEST_ICON and _ICON_DATA.fullmatch(value)
    return str(value) if usable else ""


def _number(value: object, most: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= most else 0


def _matching(pattern: re.Pattern[str], value: object) -> str:
    return value if isinstance(value, str) and pattern.fullmatch(value) else ""


def _first(read: Callable[[object], str], value: object) -> str:
    """Return what `read` makes of a value, or of the first one that it can use in a list."""
    return next(filter(None, map(read, value[:100] if isinstance(value, list) else [value])), "")


def _language(value: object) -> str:
    return _matching(_LANGUAGE, value.replace("_", "-") if isinstance(value, str) else value)


def _moment(value: object) -> str:
    """Read a time by ISO 8601, or as mails and HTTP write it (RFC 5322)."""
    text = str(value)[:40] if value else ""
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            return read(text).isoformat()
        except (ValueError, OverflowError, TypeError, IndexError):
            pass
    return ""


def _items(value: object) -> Iterable[Mapping[str, Any]]:
    return [each for each in value[:100] if isinstance(each, Mapping)] if isinstance(value, list | tuple) else []


def _picture(value: object) -> LinkedPicture | None:
    if not isinstance(value, Mapping) or not (url := _url(value.get("url"))):
        return None
    width, height = (_number(value.get(name), LARGEST_SIDE) for name in ("width", "height"))
    return LinkedPicture(url, width, height, clean(value.get("alt"), LONGEST_TITLE))


def _icons(values: Iterable[Mapping[str, Any]]) -> Iterable[LinkedIcon]:
    for each in values:
        if url := _url(each.get("url")):
            yield LinkedIcon(url, _number(each.get("side"), LARGEST_SIDE))


def _share(value: object) -> Iterable[tuple[str, str]]:
    given = value if isinstance(value, Mapping) else {}
    for name in SHARE_TAGS:
        if isinstance(text := given.get(name), str):
            longest = LONGEST_LINK if name.endswith((":url", "image", "_url")) else LONGEST_DESCRIPTION
            yield name, clean(text, longest)


def _feeds(values: Iterable[Mapping[str, Any]]) -> Iterable[LinkedFeed]:
    for each in values:
        if (url := _url(each.get("url"))) and each.get("type") in FEED_TYPES:
            yield LinkedFeed(url, each["type"], clean(each.get("title"), LONGEST_NAME))


NO_METADATA = PageMetadata()
