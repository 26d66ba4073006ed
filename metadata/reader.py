"""What callers learn of a page: its original's metadata, judged, and the colours of its picture.

A page that is known as a thumbnail costs no capture here, and the other way round: both come from one original.
"""

import threading
from collections import OrderedDict
from dataclasses import replace

import images
from errors import BlockedTarget, InvalidURL
from images import CpuPool
from metadata.values import Metadata, Source
from model import Picture, ThumbnailRequest
from netguard import Guard
from options import LinkedPicture, PageMetadata
from thumbnails import Ask, Thumbnailer
from urls import parse_url

_PALETTES = 2048  # pictures whose colours a process remembers, at some 200 bytes each


class MetadataReader:
    def __init__(self, thumbnailer: Thumbnailer, guard: Guard, cpu: CpuPool) -> None:
        """`guard` judges the URLs that a page names, without a look-up."""
        self._thumbnailer = thumbnailer
        self._guard = guard
        self._cpu = cpu
        self._palettes: OrderedDict[str, tuple[str, ...]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, ask: Ask) -> Metadata:
        """Return what is known of the page, after a capture if need be. Charges and raises as Thumbnailer.get."""
        served = self._thumbnailer.get_original(ask)
        picture = served.picture
        known = Metadata(
            url=self._opened(ask.request),
            source=Source.PICTURE if picture.page is None else Source.PAGE,
            served=served,
            palette=self._palette(picture),
        )
        return known if picture.page is None else self._said(known, picture.page)

    def _opened(self, request: ThumbnailRequest) -> str:
        """Return the URL by which the page has just answered: for a caller that wrote no scheme, that of https or of http."""
        return self._thumbnailer.settle(replace(request, delivery=replace(request.delivery, fresh=False))).target.url

    def _said(self, known: Metadata, page: PageMetadata) -> Metadata:
        icons = (self._judged(each.url) for each in page.icons)
        feeds = (replace(each, url=self._judged(each.url)) for each in page.feeds)
        return replace(
            known,
            final_url=self._judged(page.url),
            status=page.status,
            title=page.title,
            description=page.description,
            site_name=page.site_name,
            author=page.author,
            published=page.published,
            language=page.language,
            theme_color=page.theme_color,
            canonical=self._judged(page.canonical),
            favicon=next(filter(None, icons), ""),
            image=self._preview(page.image),
            feeds=tuple(each for each in feeds if each.url),
            share=page.share,
        )

    def _preview(self, picture: LinkedPicture | None) -> LinkedPicture | None:
        url = self._judged(picture.url) if picture else ""
        return replace(picture, url=url) if picture and url else None

    def _judged(self, url: str) -> str:
        """Return `url` in its normal form, "" for one that the guard refuses: a page may name internal addresses."""
        try:
            return parse_url(url, self._guard).url
        except (InvalidURL, BlockedTarget):
            return ""

    def _palette(self, picture: Picture) -> tuple[str, ...]:
        with self._lock:
            known = self._palettes.get(picture.etag)
        if known is None:
            pixels = images.pixels_decoding(picture.body)
            known = self._cpu.run(lambda: images.palette(picture.body, picture.pixels), pixels=pixels)
            with self._lock:
                self._palettes[picture.etag] = known
                while len(self._palettes) > _PALETTES:
                    self._palettes.popitem(last=False)
        return known
