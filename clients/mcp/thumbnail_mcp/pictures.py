"""Makes pictures small enough for an assistant to read: programs that run assistants refuse large answers."""

import base64
import io
import math
from dataclasses import dataclass

from mcp_types import ImageContent
from PIL import Image

LONGEST_SIDE = 1600  # pixels; models reduce larger pictures themselves
MOST_BYTES = 700_000  # 1 MB as base64, which is the most that some programs take in one answer
_QUALITIES = 85, 60, 40


class NothingToShow(Exception):
    """A picture has fewer parts than that, or is none. The text says so."""


@dataclass(frozen=True, slots=True)
class View:
    """What is shown of a picture: all of it (`part` 0), or one of its `parts` from the top. Sizes are in pixels."""

    body: bytes
    content_type: str
    width: int
    height: int
    whole_width: int
    whole_height: int
    part: int
    parts: int

    @property
    def content(self) -> ImageContent:
        return ImageContent(type="image", data=base64.b64encode(self.body).decode(), mime_type=self.content_type)

    @property
    def facts(self) -> dict[str, int]:
        return {
            "page_width": self.whole_width,
            "page_height": self.whole_height,
            "shown_width": self.width,
            "shown_height": self.height,
            "bytes": len(self.body),
            "part": self.part,
            "parts": self.parts,
        }


def view(body: bytes, content_type: str, part: int = 0) -> View:
    """Show a whole picture within `LONGEST_SIDE` and `MOST_BYTES`, or a `part` of a tall one, which stays readable.

    A part is as wide as the picture, at most `LONGEST_SIDE`, and `LONGEST_SIDE` high. Raises NothingToShow.
    """
    try:
        image = Image.open(io.BytesIO(body))
    except (OSError, Image.DecompressionBombError):
        raise NothingToShow(f"the answer, {content_type}, is no picture: is it the thumbnail service?") from None
    with image:
        whole, scale = image.size, min(1.0, LONGEST_SIDE / image.width)
        rows = math.ceil(LONGEST_SIDE / scale)
        parts = math.ceil(image.height / rows)
        if part > parts:
            raise NothingToShow(f"part: the picture has {parts} part{'s' if parts > 1 else ''}")
        if part == 0 and max(whole) <= LONGEST_SIDE and len(body) <= MOST_BYTES:
            return View(body, content_type, *whole, *whole, part, parts)
        shown = image.convert("RGB")
    if part:
        shown = shown.crop((0, (part - 1) * rows, shown.width, min(part * rows, shown.height)))
    shown.thumbnail((LONGEST_SIDE, LONGEST_SIDE), reducing_gap=2.0)
    small, small_type = _encoded(shown)
    return View(small, small_type, *shown.size, *whole, part, parts)


def _encoded(image: Image.Image) -> tuple[bytes, str]:
    """Encode without loss if that is small enough, and else as well as there is room. May halve `image` in place."""
    lossless = _saved(image, "PNG", {})
    if len(lossless) <= MOST_BYTES:
        return lossless, "image/png"
    while True:
        for quality in _QUALITIES:
            lossy = _saved(image, "JPEG", {"quality": quality})
            if len(lossy) <= MOST_BYTES:
                return lossy, "image/jpeg"
        image.thumbnail((image.width // 2, image.height // 2))


def _saved(image: Image.Image, name: str, parameters: dict[str, int]) -> bytes:
    target = io.BytesIO()
    image.save(target, name, **parameters)
    return target.getvalue()
