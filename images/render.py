"""Bytes → bytes by Pillow: identify, compare, shrink, crop, encode. Pure."""

import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import IO, Any

from PIL import Image, ImageChops, ImageFilter

from model import CaptureOptions, Rendition

MAX_PIXELS = 64 << 20  # as many as the engine makes at most: more is no screenshot but an attack on our memory
Image.MAX_IMAGE_PIXELS = None  # Pillow's own limit only warns; `_decode` refuses
CONTENT_TYPES = {
    "png": "image/png",
    "webp": "image/webp",
    "jpeg": "image/jpeg",
    "avif": "image/avif",
    "pdf": "application/pdf",
}
_ENCODERS: dict[str, dict[str, Any]] = {
    "png": {"compress_level": 6},
    "webp": {"method": 4},
    "jpeg": {"progressive": True},
    "avif": {"speed": 8},
    "pdf": {},
}
_OPAQUE = frozenset({"jpeg"})
_LONGEST_SIDE = {"webp": 16383, "jpeg": 65500, "avif": 65536, "png": 65536}
_ENDINGS = {"PNG": b"IEND\xaeB`\x82", "JPEG": b"\xff\xd9"}  # decoders forgive their absence, we do not
_PDF_TAIL = re.compile(rb"startxref\s+(\d{1,10})\s+%%EOF\s*$")
_PDF_XREF = re.compile(rb"\s*(xref\b|\d+\s+\d+\s+obj\b)")
INVISIBLE = 4  # a `difference` up to here is not seen; see docs/architecture.md for what was measured
_COMPARED_PIXELS = 16 << 20  # two larger pictures at once would take too much memory
_SIZE_TOLERANCE = 0.02  # an API may round or leave room for a scroll bar


class NotAPicture(ValueError):
    """The bytes do not decode as what they should be. The text is for the log."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What the bytes really are: `width` × `height` pixels, 0 × 0 for a PDF; `blank` where all pixels are alike."""

    content_type: str
    width: int
    height: int
    blank: bool = False


def identify(body: bytes) -> Identity:
    """Decode `body` to the last byte. Raises NotAPicture."""
    if body.startswith(b"%PDF-"):
        return _identify_pdf(body)
    image = _decode(body)
    return Identity(CONTENT_TYPES[str(image.format).lower()], image.width, image.height, blank=_is_blank(image))


def _is_blank(image: Image.Image) -> bool:
    # Pillow looks for the extremes under the interpreter's lock: of few pixels first, which tell for nearly all pages.
    return _is_plain(image.resize((64, 64), Image.Resampling.NEAREST)) and _is_plain(image)


def _is_plain(image: Image.Image) -> bool:
    extrema = image.getextrema()
    bands = extrema if isinstance(extrema[0], tuple) else (extrema,)
    return all(low == high for low, high in bands)


def _identify_pdf(body: bytes) -> Identity:
    tail = _PDF_TAIL.search(body[-1024:])
    if tail is None:
        raise NotAPicture("the PDF is cut off")
    if not _PDF_XREF.match(body, int(tail[1])):
        raise NotAPicture("the PDF has no cross-reference table where it says")
    return Identity(CONTENT_TYPES["pdf"], 0, 0)


def _decode(body: bytes) -> Image.Image:
    with _translated():
        image = Image.open(io.BytesIO(body), formats=("PNG", "JPEG", "WEBP", "AVIF"))
    if image.width * image.height > MAX_PIXELS:
        raise NotAPicture(f"{image.width} × {image.height} pixels are more than {MAX_PIXELS}")
    if _ENDINGS.get(str(image.format), b"") not in body[-1024:]:
        raise NotAPicture("the picture is cut off")
    with _translated():
        image.load()
    return image


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except Exception as err:  # a decoder fed with hostile bytes raises whatever it likes
        raise NotAPicture(f"{type(err).__name__}: {err}") from err


def doubt(identity: Identity, options: CaptureOptions) -> str:
    """Say why a capture may be a bad one: blank, or not about the size asked for; "" where nothing speaks against it.

    Raises NotAPicture where it is not even of the type asked for.
    """
    if (options.medium == "print") != (identity.content_type == CONTENT_TYPES["pdf"]):
        raise NotAPicture(f"asked for {options.medium}, got {identity.content_type}")
    if identity.blank:
        return "blank"
    if options.medium == "print" or options.selector or _is_as_asked(identity, options):
        return ""
    asked = f"{options.width * options.scale:.0f} × {options.height * options.scale:.0f}"
    return f"asked for {asked}, got {identity.width} × {identity.height}"


def _is_as_asked(identity: Identity, options: CaptureOptions) -> bool:
    width, height = options.width * options.scale, options.height * options.scale
    too_tall = not options.full_page and identity.height > height * (1 + _SIZE_TOLERANCE)
    too_short = identity.height < height * (1 - _SIZE_TOLERANCE)
    return abs(identity.width - width) <= width * _SIZE_TOLERANCE and not too_tall and not too_short


def difference(old: bytes, new: bytes, hairline: int = 1) -> int:
    """Say how far two captures of a page differ where they differ most, from 0 (alike) to 255. Raises NotAPicture.

    The mean over a patch of 12 × 12 pixels, so that one changed digit counts however large the page is; but not what is
    at most `hairline` pixels wide, such as a blinking caret. What cannot be compared (PDF, another size, a page too
    large to hold twice) differs.
    """
    if old == new:
        return 0
    if b"%PDF-" in (old[:5], new[:5]):
        return 255
    before = _decode(old)
    if before.width * before.height > _COMPARED_PIXELS:
        return 255
    after = _decode(new)
    return _largest_patch(before.convert("RGB"), after.convert("RGB"), hairline) if before.size == after.size else 255


_STRIP = 256  # rows: these operations keep the GIL, so they are done in small steps


def _largest_patch(before: Image.Image, after: Image.Image, hairline: int) -> int:
    changed = Image.new("L", before.size)
    for top in range(0, before.height, _STRIP):
        strip = 0, top, before.width, min(top + _STRIP, before.height)
        changed.paste(_changed(before.crop(strip), after.crop(strip), hairline), strip)
    patches = changed.reduce(4).filter(ImageFilter.BoxBlur(1))
    return int(patches.getextrema()[1])  # type: ignore[arg-type] # one band, so a pair of numbers


def _changed(before: Image.Image, after: Image.Image, hairline: int) -> Image.Image:
    """Say for each pixel by how much it differs; each row for itself, without what is `hairline` pixels wide."""
    red, green, blue = ImageChops.difference(before, after).split()
    changed = ImageChops.lighter(ImageChops.lighter(red, green), blue)
    wide = changed
    for step in range(1, hairline + 1):
        wide = ImageChops.darker(wide, ImageChops.offset(changed, step, 0))
    return wide


def render(master: bytes, rendition: Rendition) -> tuple[bytes, Identity]:
    """Make `rendition` from a captured picture. A PDF is handed on as it is. Raises NotAPicture."""
    if rendition.format == "pdf":
        return master, _identify_pdf(master)
    image = _clamp(_fit(_decode(master), rendition), _LONGEST_SIDE[rendition.format])
    body = _encode(image, rendition.format, rendition.quality)
    return body, Identity(CONTENT_TYPES[rendition.format], image.width, image.height)


def _fit(image: Image.Image, rendition: Rendition) -> Image.Image:
    if rendition.w is None and rendition.h is None:
        return image
    width, height = _box(image, rendition)
    if rendition.fit == "cover":
        return _cover(image, width, height)
    inside = _inside(image, width, height, enlarge=rendition.fit == "contain")
    return inside if rendition.fit == "inside" else _pad(inside, width, height, rendition.format)


def _box(image: Image.Image, rendition: Rendition) -> tuple[int, int]:
    """The size asked for. A side left out follows from the aspect ratio, and then nothing is enlarged: a page of
    320 × 16384 pixels must not become one of 3840 × 196608.
    """
    if rendition.w and rendition.h:
        return rendition.w, rendition.h
    ratio = rendition.w / image.width if rendition.w else (rendition.h or image.height) / image.height
    ratio = min(ratio, 1)
    return max(round(image.width * ratio), 1), max(round(image.height * ratio), 1)


def _cover(image: Image.Image, width: int, height: int) -> Image.Image:
    """Fill the box; what overhangs is cut off at the sides and at the bottom: a page's head is what one knows it by."""
    ratio = width / height
    crop_width = min(image.width, image.height * ratio)
    crop_height = min(image.height, image.width / ratio)
    left = (image.width - crop_width) / 2
    return _resize(image, (width, height), (left, 0, left + crop_width, crop_height))


def _inside(image: Image.Image, width: int, height: int, *, enlarge: bool) -> Image.Image:
    ratio = min(width / image.width, height / image.height)
    ratio = ratio if enlarge else min(ratio, 1)
    size = max(round(image.width * ratio), 1), max(round(image.height * ratio), 1)
    return _resize(image, size, (0, 0, image.width, image.height))


def _clamp(image: Image.Image, longest: int) -> Image.Image:
    """Keep a very tall page within what the format can hold."""
    return image if max(image.size) <= longest else _inside(image, longest, longest, enlarge=False)


def _pad(image: Image.Image, width: int, height: int, format_: str) -> Image.Image:
    """Centre the picture; the bars are transparent where the format can, else white."""
    canvas = Image.new("RGB" if format_ in _OPAQUE else "RGBA", (width, height), "white" if format_ in _OPAQUE else 0)
    canvas.paste(image, ((width - image.width) // 2, (height - image.height) // 2))
    return canvas


def _resize(image: Image.Image, size: tuple[int, int], box: tuple[float, float, float, float]) -> Image.Image:
    if image.size == size and box == (0, 0, *image.size):
        return image
    usable = image if image.mode in ("RGB", "RGBA", "L") else image.convert("RGBA" if _has_alpha(image) else "RGB")
    # reducing_gap shrinks by whole factors first: a third of the time, no visible difference.
    return usable.resize(size, Image.Resampling.LANCZOS, box=box, reducing_gap=2.0)


def _has_alpha(image: Image.Image) -> bool:
    return image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info


def _encode(image: Image.Image, format_: str, quality: int) -> bytes:
    prepared = _flatten(image) if format_ in _OPAQUE else image
    lossy = {} if format_ == "png" else {"quality": quality}
    with _a_file() as target:
        prepared.save(target, format_.upper(), **_ENCODERS[format_], **lossy)
        target.seek(0)
        return target.read()


def _a_file() -> IO[bytes]:
    """Open a file in memory. Pillow's JPEG encoder frees the GIL only where what it writes to has a descriptor."""
    return os.fdopen(os.memfd_create("picture"), "w+b") if hasattr(os, "memfd_create") else TemporaryFile()


def _flatten(image: Image.Image) -> Image.Image:
    if not _has_alpha(image):
        return image.convert("RGB")
    canvas = Image.new("RGB", image.size, "white")
    canvas.paste(image, mask=image.convert("RGBA").getchannel("A"))
    return canvas
