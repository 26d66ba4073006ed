"""Decodes what a screenshot API sent, and identifies it. Pure."""

import io
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from PIL import AvifImagePlugin, Image, JpegImagePlugin, PngImagePlugin, WebPImagePlugin

from images.pixels import pack
from options import FORMATS, MAX_PIXELS

# Pillow would load its plugins during the first request, and hold all others. Several native threads would do so at once in
# a web process, where the locks of imports are gevent's: a thread that waits for one may sleep for ever.
_PLUGINS = AvifImagePlugin, JpegImagePlugin, PngImagePlugin, WebPImagePlugin
Image.preinit()
Image.MAX_IMAGE_PIXELS = None  # Pillow's own limit only warns; `decode` refuses
_BY_PILLOW = {each.pillow: each for each in FORMATS.values() if each.pillow and each.from_api}
_MOST_PACKED = 4  # times the size of the file
_SEARCHED = 1 << 20  # pixels that are searched for another colour at a time
_PDF = FORMATS["pdf"].content_type
_PDF_TAIL = re.compile(rb"startxref\s+(\d{1,10})\s+%%EOF\s*$")
_PDF_XREF = re.compile(rb"\s{0,64}(xref\b|\d{1,10}\s{1,64}\d{1,5}\s{1,64}obj\b)")


class NotAPicture(ValueError):
    """The bytes do not decode as what they should be. The text is for the log."""


@dataclass(frozen=True, slots=True)
class Identity:
    """The real type and size of a picture, 0 × 0 for a PDF. It is `blank` if all pixels are alike.

    `pixels` are packed (see images.pixels), b"" if that would not pay.
    """

    content_type: str
    width: int
    height: int
    blank: bool = False
    pixels: bytes = field(default=b"", compare=False, repr=False)


def identify(body: bytes) -> Identity:
    """Decode `body` to the last byte. Raises NotAPicture."""
    if body.startswith(b"%PDF-"):
        return identify_pdf(body)
    image = decode(body)
    pixels = pack(image)
    return Identity(
        _BY_PILLOW[str(image.format)].content_type,
        image.width,
        image.height,
        blank=_is_blank(image),
        # A drawn gradient is small as a PNG alone.
        pixels=pixels if len(pixels) <= _MOST_PACKED * len(body) else b"",
    )


def _is_blank(image: Image.Image) -> bool:
    # Pillow searches the extremes with the GIL held. A few pixels come first: they decide for nearly all pages.
    colour = _only_colour(image.resize((64, 64), Image.Resampling.NEAREST))
    if colour is None:
        return False
    # Pillow copies each band before it searches it, so only a part of the rows is searched at a time.
    rows = max(_SEARCHED // image.width, 1)
    parts = (image.crop((0, top, image.width, min(top + rows, image.height))) for top in range(0, image.height, rows))
    return all(_only_colour(part) == colour for part in parts)


def _only_colour(image: Image.Image) -> tuple[float, ...] | None:
    """Return the colour of all pixels of `image`, by band; None if there are several."""
    extrema = image.getextrema()
    bands = extrema if isinstance(extrema[0], tuple) else (extrema,)
    return tuple(low for low, _ in bands) if all(low == high for low, high in bands) else None


def identify_pdf(body: bytes) -> Identity:
    """Check that `body` is a whole document. Raises NotAPicture."""
    tail = _PDF_TAIL.search(body[-1024:])
    if tail is None:
        raise NotAPicture("the PDF is cut off")
    if not _PDF_XREF.match(body, int(tail[1])):
        raise NotAPicture("the PDF has no cross-reference table where it says")
    return Identity(_PDF, 0, 0)


def pixels_of(body: bytes) -> int:
    """Return how many pixels a picture has by its header; 0 if it has none, such as a PDF."""
    try:
        with translated():
            return math.prod(Image.open(io.BytesIO(body), formats=tuple(_BY_PILLOW)).size)
    except NotAPicture:
        return 0


def decode(body: bytes) -> Image.Image:
    """Decode a picture to the last byte, unless it has more than MAX_PIXELS. Raises NotAPicture."""
    with translated():
        image = Image.open(io.BytesIO(body), formats=tuple(_BY_PILLOW))
    if image.width * image.height > MAX_PIXELS:
        raise NotAPicture(f"{image.width} × {image.height} pixels are more than {MAX_PIXELS}")
    if _BY_PILLOW[str(image.format)].trailer not in body[-1024:]:
        raise NotAPicture("the picture is cut off")
    with translated():
        image.load()
    return image


@contextmanager
def translated() -> Iterator[None]:
    """Raise whatever a decoder raises as NotAPicture."""
    try:
        yield
    except Exception as err:  # hostile bytes can make a decoder raise any exception
        raise NotAPicture(f"{type(err).__name__}: {err}") from err
