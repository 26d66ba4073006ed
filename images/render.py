"""Makes renditions from originals: resizes, crops, encodes. Pure."""

import base64
import math
import os
from contextlib import suppress
from tempfile import TemporaryFile
from typing import IO, Any

from PIL import Image

from images.decode import Identity, decode, identify_pdf
from images.pixels import NotPacked, unpack
from images.provenance import Provenance
from options import FORMATS, Format, Rendition

_DATA_URL_QUALITIES = (60, 40, 20, 0)
_AT_ONCE = 16 << 20  # pixels: a larger picture is resized in parts
_PART = 1 << 20  # pixels
# Shrinking by whole factors first takes a third of the time, with no visible difference. It begins at a factor of twice
# this gap, and below 2.0 it includes thumbnails that are a few pixels wider than a quarter of the page.
_GAP = 1.9
# Rows above and below those of a part that its pixels depend on, times the scale: the filter's three, and two to spare.
_REACH = 5


def make_rendition(
    original: bytes,
    rendition: Rendition,
    pixels: bytes | memoryview = b"",
    provenance: Provenance | None = None,
) -> tuple[bytes, Identity]:
    """Make `rendition` from an original, or from its packed `pixels`, which is faster. Raises NotAPicture.

    `provenance` is written into the file.
    """
    format_ = FORMATS[rendition.format]
    if not format_.pillow:
        return original, identify_pdf(original)
    image = _reduced(_fit(open_original(original, pixels), rendition, format_), format_)
    body = encode(image, format_, rendition.quality, provenance)
    return body, Identity(format_.content_type, image.width, image.height)


def open_original(body: bytes, pixels: bytes | memoryview = b"") -> Image.Image:
    """Unpack the `pixels` of an original, or decode `body` if it has none. Raises NotAPicture."""
    if pixels:
        with suppress(NotPacked):  # from another version of this service
            return unpack(pixels)
    return decode(body)


def is_as_captured(body: bytes, content_type: str, size: tuple[int, int], rendition: Rendition) -> bool:
    """Return whether the captured file, of `size` pixels, already is `rendition`: nothing is resized or encoded anew."""
    format_ = FORMATS[rendition.format]
    if format_.lossy or rendition.provenance or format_.content_type != content_type:
        return False
    if not format_.pillow:
        return True
    return _made(size, rendition) == size and max(size) <= format_.longest_side and body.endswith(format_.trailer)


def pixels_held(size: tuple[int, int], rendition: Rendition) -> int:
    """Return how many pixels, at four bytes each, are in memory at most while `rendition` is made of a picture of `size`."""
    format_ = FORMATS[rendition.format]
    if not format_.pillow or not all(size):
        return 0
    decoded, made = math.prod(size), math.prod(_made(size, rendition))
    conversions = 2 if decoded <= _AT_ONCE else 1  # a larger one is converted in parts
    return conversions * decoded + (1 + format_.copies) * min(made, format_.most_pixels)


def _made(size: tuple[int, int], rendition: Rendition) -> tuple[int, int]:
    """Return the size of what is asked for, before the limits of the format."""
    return size if rendition.w is None and rendition.h is None else _box(size, rendition)


def _fit(image: Image.Image, rendition: Rendition, format_: Format) -> Image.Image:
    if rendition.w is None and rendition.h is None:
        return image
    width, height = _box(image.size, rendition)
    if (width, height) == image.size:
        return image
    width, height = _within((width, height), format_.most_pixels)
    if rendition.fit == "cover":
        return _cover(image, width, height)
    inside = _inside(image, width, height, enlarge=rendition.fit == "contain")
    return inside if rendition.fit == "inside" else _pad(inside, width, height, format_)


def _box(size: tuple[int, int], rendition: Rendition) -> tuple[int, int]:
    """Return the requested size. A missing side follows from the aspect ratio, and then the picture is not enlarged: a
    page of 320 × 16384 pixels must not become 3840 × 196608.
    """
    if rendition.w and rendition.h:
        return rendition.w, rendition.h
    width, height = size
    ratio = rendition.w / width if rendition.w else (rendition.h or height) / height
    ratio = min(ratio, 1)
    return max(round(width * ratio), 1), max(round(height * ratio), 1)


def _cover(image: Image.Image, width: int, height: int) -> Image.Image:
    """Fill the box, and crop at the sides and the bottom, since visitors recognise a page by its top."""
    ratio = width / height
    crop_width = min(image.width, image.height * ratio)
    crop_height = min(image.height, image.width / ratio)
    left = (image.width - crop_width) / 2
    return _resize(image, (width, height), (left, 0, left + crop_width, crop_height))


def _inside(image: Image.Image, width: int, height: int, *, enlarge: bool) -> Image.Image:
    ratio = min(width / image.width, height / image.height)
    ratio = ratio if enlarge else min(ratio, 1)
    size = max(round(image.width * ratio), 1), max(round(image.height * ratio), 1)
    return _resize(image, size)


def _reduced(image: Image.Image, format_: Format) -> Image.Image:
    """Reduce a picture that is too tall for the format, or whose encoding would take too much memory."""
    by_rows = format_.by_rows is not None and (format_.alpha or (image.mode == "RGB" and not _has_alpha(image)))
    width, height = image.size if by_rows else _within(image.size, format_.most_pixels)
    return _clamp(image if image.size == (width, height) else _resize(image, (width, height)), format_.longest_side)


def _within(size: tuple[int, int], most_pixels: int) -> tuple[int, int]:
    """Return the size, or the largest one of the same shape that has at most so many pixels."""
    ratio = math.sqrt(most_pixels / (size[0] * size[1]))
    return size if ratio >= 1 else (max(int(size[0] * ratio), 1), max(int(size[1] * ratio), 1))


def _clamp(image: Image.Image, longest: int) -> Image.Image:
    """Reduce a very tall page to the longest side that the format allows."""
    return image if max(image.size) <= longest else _inside(image, longest, longest, enlarge=False)


def _pad(image: Image.Image, width: int, height: int, format_: Format) -> Image.Image:
    """Centre the picture between bars, which are transparent if the format supports that, else white."""
    size = width, height
    canvas = Image.new("RGBA", size, 0) if format_.alpha else Image.new("RGB", size, "white")
    canvas.paste(image, ((width - image.width) // 2, (height - image.height) // 2))
    return canvas


_Box = tuple[float, float, float, float]


def _resize(image: Image.Image, size: tuple[int, int], box: _Box | None = None) -> Image.Image:
    """Resize the picture, or a `box` of it."""
    box = box or (0, 0, image.width, image.height)
    if image.size == size and box == (0, 0, *image.size):
        return image
    if image.width * image.height <= _AT_ONCE:
        return _usable(image).resize(size, Image.Resampling.LANCZOS, box=box, reducing_gap=_GAP)
    # At once, Pillow would hold a converted copy of it, and another one of the new width and the old height.
    factor = int(min((box[2] - box[0]) / size[0], (box[3] - box[1]) / size[1]) / _GAP)
    if factor > 1:
        left, top, right, bottom = (each / factor for each in box)
        return _resampled_in_parts(_shrunk_in_parts(image, factor), size, (left, top, right, bottom))
    return _resampled_in_parts(image, size, box)


def shrink(image: Image.Image, factor: int) -> Image.Image:
    """Return the picture a whole number of times smaller. At once, Pillow would hold another copy of one with alpha."""
    in_parts = image.width * image.height > _PART
    return _shrunk_in_parts(image, factor) if in_parts else _usable(image).reduce(factor)


def _shrunk_in_parts(image: Image.Image, factor: int) -> Image.Image:
    rows = max(_PART // image.width // factor, 1) * factor
    canvas = None
    for top in range(0, image.height, rows):
        part = _usable(image.crop((0, top, image.width, min(top + rows, image.height)))).reduce(factor)
        canvas = canvas or _canvas(part, (part.width, math.ceil(image.height / factor)))
        canvas.paste(part, (0, top // factor))
    return canvas or image


def _resampled_in_parts(image: Image.Image, size: tuple[int, int], box: _Box) -> Image.Image:
    left, top, right, bottom = box
    scale = (bottom - top) / size[1]
    margin = math.ceil(_REACH * max(scale, 1))
    rows = max(int(_PART / image.width / max(scale, 1)), 1)
    canvas = None
    for row in range(0, size[1], rows):
        end = min(row + rows, size[1])
        first, last = top + row * scale, top + end * scale
        above, below = max(math.floor(first) - margin, 0), min(math.ceil(last) + margin, image.height)
        part = _usable(image.crop((0, above, image.width, below)))
        within = left, first - above, right, min(last - above, part.height)
        part = part.resize((size[0], end - row), Image.Resampling.LANCZOS, box=within)
        canvas = canvas or _canvas(part, size)
        canvas.paste(part, (0, row))
    return canvas or image


def _canvas(part: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Make a canvas for parts like this one. It has the same colour profile and the same transparent colour."""
    canvas = Image.new(part.mode, size)
    canvas.info = dict(part.info)
    return canvas


def _usable(image: Image.Image) -> Image.Image:
    """Return the picture in a mode that can be resized."""
    return image if image.mode in ("RGB", "RGBA", "L") else image.convert("RGBA" if _has_alpha(image) else "RGB")


def _has_alpha(image: Image.Image) -> bool:
    return image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info


def encode(image: Image.Image, format_: Format, quality: int, provenance: Provenance | None = None) -> bytes:
    prepared = image if format_.alpha else _flatten(image)
    return _data_url(prepared, format_) if format_.data_url_bytes else _encoded(prepared, format_, quality, provenance)


def _data_url(image: Image.Image, format_: Format) -> bytes:
    """Write a data URL of at most `data_url_bytes`: in the best quality that fits, or else with fewer pixels."""
    head = f"data:image/{format_.pillow.lower()};base64,".encode()
    for quality in _DATA_URL_QUALITIES:
        url = head + base64.b64encode(_encoded(image, format_, quality))
        if len(url) <= format_.data_url_bytes:
            return url
    return _data_url(_clamp(image, max(image.size) // 2), format_)


def _encoded(prepared: Image.Image, format_: Format, quality: int, provenance: Provenance | None = None) -> bytes:
    told = provenance.parameters(format_.pillow) if provenance else {}
    with _a_file() as target:
        prepared.save(target, format_.pillow, **_encoder(prepared, format_, quality), **told)
        target.seek(0)
        return target.read()


def _encoder(image: Image.Image, format_: Format, quality: int) -> dict[str, Any]:
    is_large = image.width * image.height > format_.most_pixels
    return {**format_.encoder(quality), **((is_large and format_.by_rows) or {})}


def _a_file() -> IO[bytes]:
    """Open a file in memory. Pillow's JPEG encoder releases the GIL only if its target has a file descriptor."""
    return os.fdopen(os.memfd_create("picture"), "w+b") if hasattr(os, "memfd_create") else TemporaryFile()


def _flatten(image: Image.Image) -> Image.Image:
    if not _has_alpha(image):
        return image if image.mode == "RGB" else image.convert("RGB")
    canvas = Image.new("RGB", image.size, "white")
    canvas.paste(image, mask=image.convert("RGBA").getchannel("A"))
    return canvas
