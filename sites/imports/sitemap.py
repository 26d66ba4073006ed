"""Sitemaps (https://www.sitemaps.org/protocol.html): the pages, or the further sitemaps, that one file names."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from sites.imports.candidates import Candidate, unreadable
from sites.imports.urls_file import read_urls
from sites.imports.xml_file import ElementReader


@dataclass(slots=True)
class Sitemap:
    """What one file names: pages, and the lines and URLs of further sitemaps."""

    pages: list[Candidate] = field(default_factory=list)
    nested: list[tuple[int, str]] = field(default_factory=list)
    size: int = 0  # characters of the file


def read_sitemap(text: str, source: str = "") -> Sitemap:
    """Parse a sitemap or an index of sitemaps. `source` is its own URL if another one named it. Raises InvalidOption."""
    if not text.lstrip().startswith("<"):  # the protocol allows a plain list
        return Sitemap([replace(page, source=source) for page in read_urls(text)], size=len(text))
    locations = _Locations(source)
    locations.parse(text)
    return replace(locations.sitemap, size=len(text))


class _Locations(ElementReader):
    def __init__(self, source: str) -> None:
        self.sitemap = Sitemap()
        self._source = source
        self._line = 0

    def element_began(self, path: Sequence[str], attributes: Mapping[str, str], line: int) -> None:
        del attributes
        if len(path) == 1 and path[0] not in ("urlset", "sitemapindex"):
            raise unreadable(f"is no sitemap: its root is <{path[0][:40]}>, not <urlset> or <sitemapindex>")
        if len(path) == 2:
            self._line = line

    def element_ended(self, path: Sequence[str], text: str) -> None:
        # The `loc` of an image or a video lies deeper.
        if path == ["urlset", "url", "loc"]:
            self.sitemap.pages.append(Candidate(self._line, text, source=self._source))
        elif path == ["sitemapindex", "sitemap", "loc"]:
            self.sitemap.nested.append((self._line, text))
