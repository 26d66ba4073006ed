"""What is known of a shared page, for the check of its cards: its tags, and the pictures that they name, fetched once."""

import json
from dataclasses import asdict, replace

import images
from coordination import CacheKeys
from errors import BlockedTarget, InvalidURL
from images import NotAPicture
from metadata.picture_store import PictureKind, PictureStore
from metadata.reader import MetadataReader
from metadata.share_check import PICTURE_TAGS, SharedPage, SharePicture, is_whole
from metadata.values import Metadata, Source
from netguard import Guard
from thumbnails import Ask
from urls import parse_url

_NOT_FETCHED = SharePicture(problem="could not be fetched")
_END = b"\n"
_UNREAD = "The screenshot API that is in use here says nothing of pages but their pictures, so no tag is known."
_EARLIER = "The page was captured before its tags were read, so these are guessed. Check it again."


def _read(body: bytes) -> bytes:
    """Return what is kept of a file: its facts in a line of JSON, and a WebP of it."""
    try:
        file_format, width, height, shown = images.read_shared(body)
    except NotAPicture:
        is_svg = b"<svg" in body[:2048].lower()
        facts, shown = SharePicture(problem="is SVG, which no network shows" if is_svg else "is no picture"), b""
    else:
        facts = SharePicture(file_format, width, height, len(body))
    return json.dumps(asdict(facts)).encode() + _END + shown


SHARED = PictureKind(
    "shared",
    CacheKeys.shared_picture,
    _read,
    most_bytes=20 << 20,
    pixels=4 * 24 << 20,
    fetch_seconds=8.0,
    keep=600,
    keep_none=60,
)


class ShareReader:
    def __init__(self, metadata: MetadataReader, store: PictureStore, guard: Guard) -> None:
        self._metadata = metadata
        self._store = store
        self._guard = guard

    def of(self, known: Metadata, ask: Ask) -> SharedPage:
        """Return what a page that is known says of how it is shared, with its pictures.

        Raises RateLimited, OverCapacity or Pending for a picture that is not known.
        """
        page = _page(known)
        facts: dict[str, SharePicture] = {}
        for tag in PICTURE_TAGS:
            if url := _written(page, tag):
                facts[tag] = self._facts(url, ask)
        return replace(page, pictures=facts)

    def picture(self, ask: Ask, tag: str) -> bytes:
        """Return a WebP of the picture that `tag` names, b"" if there is none. Raises what MetadataReader.get and `of` raise."""
        url = _written(_page(self._metadata.get(ask)), tag)
        return self._kept(url, ask).partition(_END)[2] if url else b""

    def _facts(self, url: str, ask: Ask) -> SharePicture:
        kept = self._kept(url, ask)
        return SharePicture(**json.loads(kept.partition(_END)[0])) if kept else _NOT_FETCHED

    def _kept(self, url: str, ask: Ask) -> bytes:
        try:
            judged = parse_url(url, self._guard).url
        except (InvalidURL, BlockedTarget):
            return b""
        return self._store.get(judged, ask.charge.rendition)


def _page(known: Metadata) -> SharedPage:
    url = known.final_url or known.url
    if known.share:
        return SharedPage(url, known.status, dict(known.share), theme_color=known.theme_color)
    guessed = _UNREAD if known.source is Source.PICTURE else _EARLIER
    image = known.image
    tags = {
        "title": known.title,
        "og:title": known.title,
        "og:description": known.description,
        "og:site_name": known.site_name,
        "og:image": image.url if image else "",
    }
    return SharedPage(url, known.status, tags, theme_color=known.theme_color, guessed=guessed)


def _written(page: SharedPage, tag: str) -> str:
    """Return the URL that `tag` names, by https where the page gives one; "" if it is no whole URL."""
    secure = page.tags.get("og:image:secure_url", "") if tag == "og:image" else ""
    url = secure or page.tags.get(tag, "")
    return url if is_whole(url) else ""
