"""The formats of pictures, one row each. Everything that differs between formats is here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

PNG = "png"


@dataclass(frozen=True, slots=True)
class Format:
    """One format.

    `pillow` is Pillow's name for it, "" for PDF, which the browser prints. `encoder` holds the options of Pillow's
    encoder; `longest_side` is that encoder's limit in pixels. A file without its `trailer` is cut off. A screenshot
    API may answer in a format that is `from_api`. `format=auto` prefers the highest `auto`, and never picks a 0.
    """

    name: str
    content_type: str
    ending: str
    pillow: str = ""
    lossy: bool = False
    alpha: bool = True
    longest_side: int = 65536
    encoder: Mapping[str, Any] = field(default_factory=dict)
    trailer: bytes = b""
    from_api: bool = False
    auto: int = 0


FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        each.name: each
        for each in (
            Format(
                "png",
                "image/png",
                "png",
                "PNG",
                encoder={"compress_level": 6},
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
                encoder={"method": 4},
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
                encoder={"progressive": True},
                trailer=b"\xff\xd9",
                from_api=True,
            ),
            Format("avif", "image/avif", "avif", "AVIF", lossy=True, encoder={"speed": 8}, from_api=True, auto=3),
            Format("pdf", "application/pdf", "pdf", from_api=True),
        )
    }
)
