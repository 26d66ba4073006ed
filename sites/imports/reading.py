"""A list as bytes, or at a URL → its sites."""

import time

from images import CpuPool
from sites.imports.candidates import ListKind, SiteList
from sites.imports.fetching import ListFetcher
from sites.imports.lists import bounded, read_list, recognise
from sites.imports.sitemap import Sitemap, read_sitemap
from sites.imports.sitemap_tree import MAX_SECONDS, SitemapTree
from sites.imports.text import read_text


class ListReader:
    """Reads lists of any kind. One instance per process."""

    def __init__(self, fetcher: ListFetcher, threads: CpuPool) -> None:
        """`threads` parse: a long list takes a second, in which a web process serves others."""
        self._fetcher = fetcher
        self._threads = threads

    def read_body(self, body: bytes, kind: ListKind | None = None, charset: str = "", source: str = "") -> SiteList:
        """Read a list from `body`, which may be compressed by gzip.

        Raises InvalidOption, and for the sitemaps that a sitemap names OverCapacity or PageTimeout.
        """
        read = self._threads.run(lambda: _parsed(body, kind, charset), pixels=0)
        if isinstance(read, SiteList):
            return read
        return SiteList(ListKind.SITEMAP, bounded(SitemapTree(self._fetcher, self._threads).follow(read, source)))

    def read_url(self, url: str, kind: ListKind | None = None) -> SiteList:
        """Read the list at `url`, a stranger's. Raises as `read_body` and ListFetcher.fetch."""
        fetched = self._fetcher.fetch(url, time.monotonic() + MAX_SECONDS)
        return self.read_body(fetched.body, kind, fetched.charset, fetched.url)


def _parsed(body: bytes, kind: ListKind | None, charset: str) -> SiteList | Sitemap:
    text = read_text(body, charset)
    kind = kind or recognise(text)
    return read_sitemap(text) if kind is ListKind.SITEMAP else read_list(text, kind)
