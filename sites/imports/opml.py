"""OPML (http://opml.org/spec2.opml): outlines with a page become sites, outlines without one are folders, and so tags."""

from collections.abc import Mapping, Sequence

from sites.drafts import split_tags
from sites.imports.candidates import Candidate, RefusedLine
from sites.imports.xml_file import ElementReader


def read_opml(text: str) -> list[Candidate | RefusedLine]:
    """Parse `text`. Raises InvalidOption."""
    outlines = _Outlines()
    outlines.parse(text)
    return outlines.found


class _Outlines(ElementReader):
    def __init__(self) -> None:
        self.found: list[Candidate | RefusedLine] = []
        self._folders: list[str] = []  # the name of each open outline, empty for one that is a site

    def element_began(self, path: Sequence[str], attributes: Mapping[str, str], line: int) -> None:
        if path[-1] != "outline":
            return
        # Programs disagree on the case of these names.
        given = {name.lower(): value.strip() for name, value in attributes.items()}
        title = given.get("title") or given.get("text") or ""
        page, feed = given.get("htmlurl") or given.get("url") or "", given.get("xmlurl") or ""
        self._folders.append("" if page or feed else title)
        if page:
            tags = [name for name in self._folders if name]
            tags += [part for each in split_tags(given.get("category", "")) for part in each.split("/") if part]
            note = given.get("description")
            self.found.append(
                Candidate(line, page, title or None, note or None, tuple(dict.fromkeys(tags)), adds_tags=True)
            )
        elif feed:
            self.found.append(RefusedLine(line, feed, "htmlUrl", "is missing; the outline names a feed and no page"))

    def element_ended(self, path: Sequence[str], text: str) -> None:
        del text
        if path[-1] == "outline":
            self._folders.pop()
