"""Decodes what a screenshot API sent, and identifies it. Pure."""

import io
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from PIL import (
    AvifImagePlugin,
    GifImagePlugin,
    Image,
    JpegImagePlugin,
    MpoImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from images.gif import SIGNATURE, size_of_gif
from images.pixels import pack
from options import FORMATS, MAX_PIXELS

# Pillow would load its plugins during the first request, and hold all others. Several native threads would do so at once in
# a web process, where the locks of imports are gevent's: a thread that waits for one may sleep for ever.
# A JPEG may have a second picture (MPO), and what it says of itself is a TIFF.
_PLUGINS = (
    *(AvifImagePlugin, GifImagePlugin, JpegImagePlugin, MpoImagePlugin),
    *(PngImagePlugin, TiffImagePlugin, WebPImagePlugin),
)
Image.preinit()
Image.MAX_IMAGE_PIXELS = None  # Pillow's own limit only warns; `decode` refuses
_BY_PILLOW = {each.pillow: each for each in FORMATS.values() if each.pillow and each.from_api}
# Pixels, at four bytes each, that the decoder of one picture holds: no more than the encoders of renditions hold.
MOST_DECODING = 80 << 20
# Times the pixels of the picture. Measured at worst: 4.2 for an AVIF with four bands of 12 bits, 4.6 for a WebP without
# loss and its file.
_HELD = {"WEBP": 5, "AVIF": 5}
_KEPT = frozenset(_HELD)  # whose decoder stays in memory as long as the picture does
_MOST_PACKED = 4  # times the size of the file
_SEARCHED = 1 << 20  # pixels that are searched for another colour at a time
_PDF = FORMATS["pdf"].content_type
_PDF_TAIL = re.compile(rb"startxref\s+(\d{1,10})\s+%%EOF\s*$")
_PDF_XREF = re.compile(rb"\s{0,64}(xref\b|\d{1,10}\s{1,64}\d{1,5}\s{1,64}obj\b)")


class NotAPicture(ValueError):
    """The bytes do not decode as what they should be. The text is for the log."""


class TooManyPixels(NotAPicture):
    """A picture of a known format has more than the `most` pixels that one of its kind may have."""

    def __init__(self, size: tuple[int, int], most: int) -> None:
        super().__init__(f"{size[0]} × {size[1]} pixels are more than {most}")
        self.most = most


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
    return math.prod(size_of(body))


def size_of(body: bytes) -> tuple[int, int]:
    """Return the width and height of a picture by its header; 0 × 0 as `pixels_of`."""
    if body.startswith(SIGNATURE):
        with suppress(ValueError):
            return size_of_gif(body)
        return 0, 0
    image = _header(body)
    return image.size if image else (0, 0)


def pixels_decoding(body: bytes) -> int:
    """Return how many pixels, at four bytes each, are in memory at most while a picture is decoded; 0 as `pixels_of`."""
    if body.startswith(SIGNATURE):
        return 2 * pixels_of(body)
    image = _header(body)
    return _decoding(image) if image else 0


def _header(body: bytes) -> Image.Image | None:
    try:
        return _open(body, tuple(_BY_PILLOW))
    except NotAPicture:
        return None


def decode(body: bytes) -> Image.Image:
    """Decode a picture to the last byte, unless it is larger than `open_small` allows. Raises NotAPicture."""
    image = open_small(body, tuple(_BY_PILLOW), MAX_PIXELS)
    if _BY_PILLOW[str(image.format)].trailer not in body[-1024:]:
        raise NotAPicture("the picture is cut off")
    return load(image)


def open_small(body: bytes, formats: tuple[str, ...], most_pixels: int) -> Image.Image:
    """Read the header of a picture that has at most so many pixels, and whose decoder holds at most MOST_DECODING.

    Raises TooManyPixels, and NotAPicture for other `formats`, which are Pillow's names.
    """
    if body.startswith(SIGNATURE):
        with translated():
            size = size_of_gif(body)
        if math.prod(size) > most_pixels:
            raise TooManyPixels(size, most_pixels)
    image = _open(body, formats)
    pixels = max(math.prod(image.size), 1)
    most = min(most_pixels, MOST_DECODING * pixels // max(_decoding(image), 1))
    if pixels > most:
        raise TooManyPixels(image.size, most)
    return image


def load(image: Image.Image) -> Image.Image:
    """Decode a picture that was opened, to one of grey, RGB, or either with alpha. Raises NotAPicture."""
    with translated():
        image.load()
        mode = _mode(image)
        if image.mode == mode and str(image.format) not in _KEPT:
            return image
        alone = (_with_8_bits(image) if image.mode.startswith("I") else image).convert(mode)
    if image.mode == "CMYK":
        alone.info.pop("icc_profile", None)  # it tells how to print
    alone.format = image.format
    return alone


def _with_8_bits(image: Image.Image) -> Image.Image:
    """Return 16 bits of grey as 8 bits. Pillow would cut them off above 255."""
    alone = image.point(lambda value: value / 257)
    if "transparency" in image.info:
        alone.info["transparency"] = image.info["transparency"] // 257
    return alone


def _mode(image: Image.Image) -> str:
    """Return the mode of the picture, or for one that cannot be resized the mode that shows it."""
    if image.mode in ("L", "LA", "RGB", "RGBA"):
        return image.mode
    if image.mode == "1" or image.mode.startswith("I"):
        return "L"
    return "RGBA" if image.has_transparency_data else "RGB"


def _open(body: bytes, formats: tuple[str, ...]) -> Image.Image:
    with translated():
        image = Image.open(io.BytesIO(body), formats=formats)
    if image.format == "MPO":
        image.format = "JPEG"
    return image


def _decoding(image: Image.Image) -> int:
    pixels = math.prod(image.size)
    if isinstance(image, JpegImagePlugin.JpegImageFile):
        # One with several scans is held whole, in two bytes for each pixel of a band, and the header may not tell.
        return pixels * (2 + image.layers) // 2
    if _mode(image) != image.mode:
        return pixels * 5 // 4  # it is held as it was, too
    return _HELD.get(str(image.format), 1) * pixels


@contextmanager
def translated() -> Iterator[None]:
    """Raise whatever a decoder raises as NotAPicture."""
    try:
        yield
    except Exception as err:  # hostile bytes can make a decoder raise any exception
        raise NotAPicture(f"{type(err).__name__}: {err}") from err
