"""Compares a capture with what was requested, and with the capture before it. Pure."""

from PIL import Image, ImageChops, ImageFilter

from images.decode import Identity, NotAPicture, pixels_of
from images.render import open_original
from options import FORMATS, CaptureOptions

INVISIBLE = 4  # a `difference` up to this is not visible; docs/architecture.md has the measurements
_COMPARED_PIXELS = 16 << 20  # two larger pictures at once would take too much memory
_SIZE_TOLERANCE = 0.02  # an API may round or leave room for a scroll bar
_STRIP = 256  # rows: these operations keep the GIL, so they are done in small steps


def doubt(identity: Identity, options: CaptureOptions) -> str:
    """Return why a capture may be bad: blank, or not about the requested size. Returns "" if nothing looks wrong.

    Raises NotAPicture if it is not of the requested type.
    """
    document = options.format == "pdf"
    if document != (identity.content_type == FORMATS["pdf"].content_type):
        raise NotAPicture(f"asked for {options.format}, got {identity.content_type}")
    if identity.blank:
        return "blank"
    if document or options.selector or options.clip or _is_as_asked(identity, options):
        return ""
    asked = f"{options.width * options.scale:.0f} × {options.height * options.scale:.0f}"
    return f"asked for {asked}, got {identity.width} × {identity.height}"


def _is_as_asked(identity: Identity, options: CaptureOptions) -> bool:
    width, height = options.width * options.scale, options.height * options.scale
    if options.full_page and options.max_height:
        height = min(height, options.max_height * options.scale)
    too_tall = not options.full_page and identity.height > height * (1 + _SIZE_TOLERANCE)
    too_short = identity.height < height * (1 - _SIZE_TOLERANCE)
    return abs(identity.width - width) <= width * _SIZE_TOLERANCE and not too_tall and not too_short


def difference(
    old: bytes, new: bytes, hairline: int = 1, *, pixels: tuple[bytes | memoryview, bytes | memoryview] = (b"", b"")
) -> int:
    """Return the largest difference between two captures of a page, from 0 (alike) to 255. Raises NotAPicture.

    The difference is the mean over a patch of 12 × 12 pixels, so one changed digit counts however large the page is.
    Changes at most `hairline` pixels wide, such as a blinking caret, do not count. Captures that cannot be compared (a
    PDF, another size, a page too large to hold twice) differ by 255. `pixels` are those of both, packed, if known.
    """
    if old == new:
        return 0
    if b"%PDF-" in (old[:5], new[:5]):
        return 255
    if max(pixels_of(old), pixels_of(new)) > _COMPARED_PIXELS:
        return 255
    before, after = open_original(old, pixels[0]), open_original(new, pixels[1])
    return _largest_patch(before.convert("RGB"), after.convert("RGB"), hairline) if before.size == after.size else 255


def _largest_patch(before: Image.Image, after: Image.Image, hairline: int) -> int:
    changed = Image.new("L", before.size)
    for top in range(0, before.height, _STRIP):
        strip = 0, top, before.width, min(top + _STRIP, before.height)
        changed.paste(changed_pixels(before.crop(strip), after.crop(strip), hairline), strip)
    patches = changed.reduce(4).filter(ImageFilter.BoxBlur(1))
    return int(patches.getextrema()[1])  # type: ignore[arg-type] # one band, so a pair of numbers


def changed_pixels(before: Image.Image, after: Image.Image, hairline: int) -> Image.Image:
    """Return the difference of each pixel. Runs at most `hairline` pixels wide, within one row, do not count."""
    red, green, blue = ImageChops.difference(before, after).split()
    changed = ImageChops.lighter(ImageChops.lighter(red, green), blue)
    wide = changed
    for step in range(1, hairline + 1):
        wide = ImageChops.darker(wide, ImageChops.offset(changed, step, 0))
    return wide
