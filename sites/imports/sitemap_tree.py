"""Follows the sitemaps that a sitemap names, each once, within limits."""

import time
from collections.abc import Iterator

from errors import OverCapacity, PageTimeout, ThumbnailError
from images import CpuPool
from sites.imports.candidates import MAX_BYTES, SITEMAP_FIELD, Candidate, RefusedLine, unreadable
from sites.imports.fetching import ListFetcher
from sites.imports.sitemap import Sitemap, read_sitemap
from sites.imports.text import read_text

MAX_SECONDS = 60.0  # for all files together
MAX_FILES = 200
MAX_DEPTH = 3  # the protocol allows one index above the sitemaps; some sites have more


class SitemapTree:
    """A sitemap and those below it. Made for a single reading."""

    def __init__(self, fetcher: ListFetcher, threads: CpuPool) -> None:
        self._fetcher = fetcher
        self._threads = threads
        self._deadline = time.monotonic() + MAX_SECONDS
        self._bytes_left = MAX_BYTES
        self._known: set[str] = set()

    def follow(self, sitemap: Sitemap, source: str = "") -> Iterator[Candidate | RefusedLine]:
        """Yield the pages of `sitemap`, and of those below it. `source` is its URL.

        A sitemap below that cannot be fetched or read is a refused line. Raises InvalidOption, OverCapacity or
        PageTimeout for all of them.
        """
        self._bytes_left -= sitemap.size
        self._known.add(source)
        return self._pages(sitemap, source, 0)

    def _pages(self, sitemap: Sitemap, source: str, depth: int) -> Iterator[Candidate | RefusedLine]:
        yield from sitemap.pages
        for line, url in sitemap.nested:
            if url in self._known:
                continue
            if len(self._known) > MAX_FILES:
                raise unreadable(f"must lead to at most {MAX_FILES} further sitemaps; import them one by one")
            self._known.add(url)
            below = self._below(url) if depth < MAX_DEPTH else f"is more than {MAX_DEPTH} sitemaps below the first"
            if isinstance(below, Sitemap):
                yield from self._pages(below, url, depth + 1)
            else:
                yield RefusedLine(line, url, SITEMAP_FIELD, below, source)

    def _below(self, url: str) -> Sitemap | str:
        """Return the sitemap at `url`, or why it cannot be read."""
        if time.monotonic() > self._deadline:
            raise PageTimeout(f"its sitemaps took longer than {MAX_SECONDS:.0f} s; import them one by one", field="url")
        most = self._bytes_left
        try:
            fetched = self._fetcher.fetch(url, self._deadline)
            read = lambda: read_sitemap(read_text(fetched.body, fetched.charset, most), url)  # noqa: E731 - of this body
            sitemap = self._threads.run(read, pixels=0)
        except OverCapacity:
            raise
        except ThumbnailError as err:
            return err.reason
        self._bytes_left -= sitemap.size
        return sitemap
