"""A list as bytes, or at a URL → its sites."""

import time

from sites.imports.candidates import ListKind, SiteList
from sites.imports.fetching import ListFetcher
from sites.imports.lists import bounded, read_list, recognise
from sites.imports.sitemap_tree import MAX_SECONDS, SitemapTree
from sites.imports.text import read_text


class ListReader:
    """Reads lists of any kind. One instance per process."""

    def __init__(self, fetcher: ListFetcher) -> None:
        self._fetcher = fetcher

    def read_body(self, body: bytes, kind: ListKind | None = None, charset: str = "", source: str = "") -> SiteList:
        """Read a list from `body`, which may be compressed by gzip.

        Raises InvalidOption, and for the sitemaps that a sitemap names OverCapacity or PageTimeout.
        """
        text = read_text(body, charset)
        kind = kind or recognise(text)
        if kind is ListKind.SITEMAP:
            return SiteList(kind, bounded(SitemapTree(self._fetcher).read(text, source)))
        return read_list(text, kind)

    def read_url(self, url: str, kind: ListKind | None = None) -> SiteList:
        """Read the list at `url`, a stranger's. Raises as `read_body` and ListFetcher.fetch."""
        fetched = self._fetcher.fetch(url, time.monotonic() + MAX_SECONDS)
        return self.read_body(fetched.body, kind, fetched.charset, fetched.url)
