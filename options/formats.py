"""The formats of pictures, one row each. Everything that differs between formats is here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

PNG = "png"
_FAST_WEBP = 90  # up to this quality


def _png(_quality: int) -> Mapping[str, Any]:
    """Take zlib's level 3: level 6 takes half as long again, for files between a third larger and a tenth smaller."""
    return {"compress_level": 3}


def _webp(quality: int) -> Mapping[str, Any]:
    """Take method 2: method 4 takes twice as long. Two points of quality make up for what it loses, for 6 % more bytes.

    At the highest qualities, files of method 2 would be twice as large.
    """
    return {"method": 2, "quality": quality + 2} if quality <= _FAST_WEBP else {"method": 4, "quality": quality}


def _jpeg(quality: int) -> Mapping[str, Any]:
    return {"progressive": True, "quality": quality}


def _avif(quality: int) -> Mapping[str, Any]:
    return {"speed": 8, "quality": quality}


def _tiny(quality: int) -> Mapping[str, Any]:
    return {"method": 6, "quality": quality}


@dataclass(frozen=True, slots=True)
class Format:
    """One format.

    `pillow` is Pillow's name for it, "" for PDF, which the browser prints. `encoder` returns the options of Pillow's
    encoder for a quality; `longest_side` is that encoder's limit in pixels. It holds the picture `copies` times more, so it
    gets at most `most_pixels`. `by_rows` are its options for a larger picture, of which it then holds no more; None if it
    cannot do so. A file without its `trailer` is cut off. A screenshot API may answer in a format that is `from_api`. `format=auto` prefers the highest `auto`, and never picks
    a 0. A format with `data_url_bytes` is no file but the text of a data URL with at most so many bytes, which /thumb alone
    offers; it takes no quality.
    """

    name: str
    content_type: str
    ending: str
    pillow: str = ""
    lossy: bool = False
    alpha: bool = True
    longest_side: int = 65536
    most_pixels: int = 16 << 20
    copies: int = 1
    by_rows: Mapping[str, Any] | None = None
    encoder: Callable[[int], Mapping[str, Any]] = field(default=lambda _quality: {})
    trailer: bytes = b""
    from_api: bool = False
    auto: int = 0
    data_url_bytes: int = 0


FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        each.name: each
        for each in (
            Format(
                "png",
                "image/png",
                "png",
                "PNG",
                encoder=_png,
                by_rows={},
                trailer=b"IEND\xaeB`\x82",
                from_api=True,
                auto=1,
            ),
            Format(
                "webp",
                "image/webp",
                "webp",
                "WEBP",
                lossy=True,
                longest_side=16383,
                copies=2,
                encoder=_webp,
                from_api=True,
                auto=2,
            ),
            Format(
                "jpeg",
                "image/jpeg",
                "jpg",
                "JPEG",
                lossy=True,
                alpha=False,
                longest_side=65500,
                encoder=_jpeg,
                by_rows={"progressive": False},  # a progressive file is held whole, with three bytes for each pixel
                trailer=b"\xff\xd9",
                from_api=True,
            ),
            Format(
                "avif",
                "image/avif",
                "avif",
                "AVIF",
                lossy=True,
                most_pixels=10 << 20,
                copies=7,
                encoder=_avif,
                from_api=True,
                auto=3,
            ),
            Format("pdf", "application/pdf", "pdf", from_api=True),
            # A low-quality image placeholder: 16 pixels are enough for a blurred first look.
            Format(
                "lqip",
                "text/plain",
                "txt",
                "WEBP",
                lossy=True,
                alpha=False,
                longest_side=16,
                encoder=_tiny,
                data_url_bytes=200,
            ),
        )
    }
)

FILES = tuple(name for name, each in FORMATS.items() if not each.data_url_bytes)

# `jpg`, as files are called.
FORMAT_ALIASES: Mapping[str, str] = MappingProxyType(
    {FORMATS[name].ending: name for name in FILES if FORMATS[name].ending != name}
)
