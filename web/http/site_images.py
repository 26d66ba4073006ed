"""Requests for the picture of a site: `/sites/42/image`, `/sites/42/versions/3/image`, and their headers."""

import re
from functools import lru_cache

from config import Settings
from model import Picture
from services import Services
from sites import MAX_AGE, SiteImage
from thumbnails import CacheState, Served
from web.http.pictures import preferred_format

_PATH = re.compile(r"/sites/([1-9][0-9]{0,8})(?:/versions/([1-9][0-9]{0,8}))?/image")
_VERSION_MAX_AGE = 86_400  # a version never changes; it may be removed


class SiteImages:
    """Reads requests for pictures of sites, by the rules of one installation."""

    def __init__(self, services: Services) -> None:
        self._validator = services.validator
        self._access = services.access
        self._remembered = lru_cache(maxsize=4096)(self._parse)
        self.open_to_all = are_open(services.settings)

    def parse(self, path: str, query: str, accept: str) -> SiteImage | None:
        """Return the picture that a request asks for, None if `path` is no picture's. Raises InvalidOption."""
        return self._remembered(path, query, preferred_format(accept))

    def _parse(self, path: str, query: str, preferred: str) -> SiteImage | None:
        found = _PATH.fullmatch(path)
        if found is None:
            return None
        return self.read(int(found[1]), int(found[2]) if found[2] else None, query.encode("latin-1"), preferred)

    def read(self, site_id: int, number: int | None, query: bytes, preferred: str) -> SiteImage:
        """Return the picture of a site, or of its version `number`, that `query` describes. Raises InvalidOption."""
        rendition, negotiated = self._validator.parse_rendition(query, preferred)
        self._access.require_size(rendition)
        return SiteImage.of(site_id, number, rendition, negotiated=negotiated)


def are_open(settings: Settings) -> bool:
    """Return whether everybody may see pictures of sites: unless pictures of `/thumb` need a signature, or in a gallery."""
    return settings.gallery_public or not settings.signing_keys


def served_image(image: SiteImage, picture: Picture, state: CacheState, *, private: bool = False) -> Served:
    """Say how long browsers may show a picture of a site without asking."""
    max_age = MAX_AGE if image.number is None else _VERSION_MAX_AGE
    return Served(picture, state, max_age, private=private)
