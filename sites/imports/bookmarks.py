"""The bookmarks file that every browser exports ("Netscape bookmark file"): links become sites, folders their tags.

https://learn.microsoft.com/previous-versions/windows/internet-explorer/ie-developer/platform-apis/aa753582(v=vs.85)
"""

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from sites.drafts import split_tags
from sites.imports.candidates import Candidate, unreadable

_MAX_DEPTH = 100
# html.parser takes seconds for 10 kB of unclosed tags. This text is first cut at each `<`, which browsers escape inside
# attributes, so no search goes further than to the next one.
_TAG = re.compile(r"""(/?(?:a|dd|dl|dt|h[1-6])\b)((?:[^>"']|"[^"]*+"|'[^']*+')*+)>""", re.IGNORECASE)
_OTHER_TAG = re.compile(r"[!/a-zA-Z][^>]*+>")
_ATTRIBUTE = re.compile(r"""(?<![\w-])([a-zA-Z][\w-]*+)\s*+=\s*+("[^"]*+"|'[^']*+'|[^\s>]++)""")
# The folders that a browser makes by itself, such as its toolbar, say nothing about a site.
_BROWSERS_FOLDERS = frozenset({"personal_toolbar_folder", "unfiled_bookmarks_folder", "mobile_bookmarks_folder"})


@dataclass(frozen=True, slots=True)
class _Tag:
    """A tag that matters, and the text from it to the next such tag, without other tags."""

    line: int
    name: str
    attributes: str
    text: str

    def attribute(self, name: str) -> str:
        """Return an attribute's value, empty if it is missing."""
        found = (each[2] for each in _ATTRIBUTE.finditer(self.attributes) if each[1].lower() == name)
        return html.unescape(next(found, "").strip("\"'")).strip()


def read_bookmarks(text: str) -> Iterator[Candidate]:
    """Parse `text`. Raises InvalidOption, also while iterated."""
    folders: list[str] = []  # the names of the open lists; empty for the outermost
    name = ""  # of the folder whose list begins next
    site: Candidate | None = None  # the last link: its note may follow
    for tag in _tags(text):
        if tag.name == "dd" and site:
            site = replace(site, note=tag.text or None)
        elif tag.name == "dl":
            if len(folders) >= _MAX_DEPTH:
                raise unreadable(f"line {tag.line}: folders must not be nested more than {_MAX_DEPTH} deep")
            folders.append(name)
            name = ""
        elif tag.name == "/dl" and folders:
            folders.pop()
        elif tag.name == "h3":
            attributes = {each[1].lower() for each in _ATTRIBUTE.finditer(tag.attributes)}
            name = "" if attributes & _BROWSERS_FOLDERS else tag.text
        elif tag.name == "a" and (url := tag.attribute("href")):
            if site:
                yield site
            tags = (*filter(None, folders), *split_tags(tag.attribute("tags")))
            site = Candidate(tag.line, url, tag.text or None, tags=tuple(dict.fromkeys(tags)), adds_tags=True)
    if site:
        yield site


def _tags(text: str) -> Iterator[_Tag]:
    before, *pieces = text.split("<")
    line = 1 + before.count("\n")
    last: tuple[int, str, str] | None = None
    behind: list[str] = []
    for piece in pieces:
        if tag := _TAG.match(piece):
            if last:
                yield _Tag(*last, _plain(behind))
            last, behind = (line, tag[1].lower(), tag[2]), [piece[tag.end() :]]
        else:
            other = _OTHER_TAG.match(piece)
            behind.append(piece[other.end() :] if other else f"<{piece}")
        line += piece.count("\n")
    if last:
        yield _Tag(*last, _plain(behind))


def _plain(pieces: list[str]) -> str:
    return " ".join(html.unescape("".join(pieces)).split())
