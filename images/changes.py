"""What changed between two captures of a page: how much of the picture, which region, and a picture of the difference.

Heights may differ: the pictures are compared as far as both reach, and the rest counts as changed. Pure.
"""

import math
from dataclasses import dataclass

from PIL import Image, ImageEnhance, ImageFilter

from images.compare import INVISIBLE, changed_pixels
from images.decode import pixels_decoding, pixels_of, size_of
from images.render import encode, open_original, shrink
from options import FORMATS

PATCH = 4  # pixels: each side of the squares that are changed or not
_STRIP = 256  # rows, a multiple of PATCH: so little of both pictures is held as a copy at a time
_LARGE_PIXELS = 16 << 20  # two larger pictures are not decoded at the same time
_PAPER, _MARK = 0.35, (214, 40, 57)


@dataclass(frozen=True, slots=True)
class Change:
    """The `share` of the larger picture that changed, 0 to 100 percent, and the `region` around all changes.

    The region is left, top, width and height in pixels of both pictures laid over each other; None if nothing changed.
    """

    share: float = 0.0
    region: tuple[int, int, int, int] | None = None


def compare(
    old: bytes, new: bytes, hairline: int = 1, *, pixels: tuple[bytes | memoryview, bytes | memoryview] = (b"", b"")
) -> Change:
    """Return what changed from `old` to `new`. Nothing did where `difference` sees nothing. Raises NotAPicture.

    Of pictures above 16 million pixels, which are not held at the same time, reduced copies are compared. A PDF that
    has other bytes has changed as a whole. `pixels` are those of both, packed, if known.
    """
    if old == new:
        return Change()
    if b"%PDF-" in (old[:5], new[:5]):
        return Change(100.0)
    if max(pixels_of(old), pixels_of(new)) > _LARGE_PIXELS:
        before_size, before = _reduced(old, pixels[0])
        after_size, after = _reduced(new, pixels[1])
        changed = changed_pixels(*_overlap(before, after), 0)
    else:
        first, second = open_original(old, pixels[0]), open_original(new, pixels[1])
        before_size, after_size = first.size, second.size
        changed = _changed_patches(*_overlap(first, second), hairline)
    return _sum_up(_visible(changed), before_size, after_size)


def draw_difference(old: bytes, new: bytes, hairline: int = 1) -> bytes:
    """Draw the changed parts of `new` in its colours with a red shade, and all else pale, as a PNG. Raises NotAPicture.

    What only `old` reaches is drawn from `old`. Pictures above 16 million pixels, and those that only together reach so
    far, are drawn at a quarter of their size or less.
    """
    factor = _factor(size_of(old), size_of(new))
    if factor > 1:
        before, after, patch = _reduced(old, factor=factor)[1], _reduced(new, factor=factor)[1], 1
        changed = changed_pixels(*_overlap(before, after), 0)
    else:
        before, after, patch = open_original(old), open_original(new), PATCH
        changed = _changed_patches(*_overlap(before, after), hairline)
    size = max(before.width, after.width), max(before.height, after.height)
    mask = Image.new("1", (math.ceil(size[0] / patch), math.ceil(size[1] / patch)), 1)
    mask.paste(_visible(changed), (0, 0))
    canvas = Image.new("RGB", size, "white")
    for top in range(0, size[1], _STRIP):
        strip = 0, top, size[0], min(top + _STRIP, size[1])
        part = _shaded(_part(before, after, strip), _enlarged(mask, strip, patch))
        canvas.paste(part, strip)
    return encode(canvas, FORMATS["png"], 0)


def pixels_compared(old: bytes, new: bytes) -> int:
    """Return how many pixels, at four bytes each, are in memory at most while two pictures are compared, or drawn."""
    return sum(max(2 * pixels_of(each), pixels_decoding(each)) for each in (old, new))


def mean_colour(body: bytes, pixels: bytes | memoryview = b"") -> str:
    """Return the mean colour of a picture, as `#rrggbb`. Raises NotAPicture."""
    image = open_original(body, pixels)
    small = shrink(image, max(min(image.size) // 16, 1)).convert("RGB").resize((1, 1), Image.Resampling.BOX)
    return f"#{small.tobytes().hex()}"


def _factor(before: tuple[int, int], after: tuple[int, int]) -> int:
    """Return by how much two pictures are reduced, so that both and what they reach together can be held."""
    whole = max(before[0], after[0]) * max(before[1], after[1])
    if max(math.prod(before), math.prod(after), whole) <= _LARGE_PIXELS:
        return 1
    return max(PATCH, math.ceil(math.sqrt(whole / _LARGE_PIXELS)))


def _reduced(body: bytes, pixels: bytes | memoryview = b"", factor: int = PATCH) -> tuple[tuple[int, int], Image.Image]:
    """Return the size of a picture, and a copy that is so many times smaller."""
    image = open_original(body, pixels)
    return image.size, shrink(image, factor).convert("RGB")


def _overlap(before: Image.Image, after: Image.Image) -> tuple[Image.Image, Image.Image]:
    """Return the top left parts of both that have one size. They are copies only if the sizes differ."""
    size = min(before.width, after.width), min(before.height, after.height)
    return tuple(each if each.size == size else each.crop((0, 0, *size)) for each in (before, after))  # type: ignore[return-value] # of two


def _changed_patches(before: Image.Image, after: Image.Image, hairline: int) -> Image.Image:
    """Return the mean difference of each square of PATCH × PATCH pixels."""
    patches = Image.new("L", (math.ceil(before.width / PATCH), math.ceil(before.height / PATCH)))
    for top in range(0, before.height, _STRIP):
        strip = 0, top, before.width, min(top + _STRIP, before.height)
        old, new = before.crop(strip).convert("RGB"), after.crop(strip).convert("RGB")
        patches.paste(changed_pixels(old, new, hairline).reduce(PATCH), (0, top // PATCH))
    return patches


def _visible(changed: Image.Image) -> Image.Image:
    """Return which patches changed visibly, as `difference` judges it, one bit each."""
    smooth = changed.filter(ImageFilter.BoxBlur(1))
    return smooth.point([0] * (INVISIBLE + 1) + [255] * (255 - INVISIBLE), "1")


def _sum_up(visible: Image.Image, before: tuple[int, int], after: tuple[int, int]) -> Change:
    """Add what only one of the pictures reaches to the changed patches of their overlap."""
    common = min(before[0], after[0]) * min(before[1], after[1])
    whole = max(before[0], after[0]), max(before[1], after[1])
    # A picture that reaches further in one direction only leaves an empty corner, which neither has.
    united = before[0] * before[1] + after[0] * after[1] - common
    patches = visible.width * visible.height
    changed = visible.histogram()[255] / patches * common + united - common
    if not changed:
        return Change()
    return Change(max(round(100 * changed / united, 2), 0.01), _region(visible, before, after, whole))


def _region(
    visible: Image.Image, before: tuple[int, int], after: tuple[int, int], whole: tuple[int, int]
) -> tuple[int, int, int, int]:
    boxes = []
    if box := visible.getbbox():
        left, top, right, bottom = (PATCH * each for each in box)
        boxes.append((left, top, min(right, whole[0]), min(bottom, whole[1])))
    if before[1] != after[1]:
        taller = before if before[1] > after[1] else after
        boxes.append((0, min(before[1], after[1]), taller[0], whole[1]))
    if before[0] != after[0]:
        wider = before if before[0] > after[0] else after
        boxes.append((min(before[0], after[0]), 0, whole[0], wider[1]))
    lefts, tops, rights, bottoms = zip(*boxes, strict=True)
    left, top = min(lefts), min(tops)
    return left, top, max(rights) - left, max(bottoms) - top


def _part(before: Image.Image, after: Image.Image, strip: tuple[int, int, int, int]) -> Image.Image:
    """Return a strip of `after`, and of `before` where only that one reaches."""
    part = Image.new("RGB", (strip[2] - strip[0], strip[3] - strip[1]), "white")
    for each in (before, after):
        right, bottom = min(each.width, strip[2]), min(each.height, strip[3])
        if bottom > strip[1]:
            part.paste(each.crop((0, strip[1], right, bottom)).convert("RGB"), (0, 0))
    return part


def _enlarged(mask: Image.Image, strip: tuple[int, int, int, int], patch: int) -> Image.Image:
    rows = mask.crop((0, strip[1] // patch, mask.width, math.ceil(strip[3] / patch)))
    large = rows.resize((rows.width * patch, rows.height * patch), Image.Resampling.NEAREST)
    return large.crop((0, 0, strip[2] - strip[0], strip[3] - strip[1]))


def _shaded(part: Image.Image, changed: Image.Image) -> Image.Image:
    pale = Image.blend(Image.new("RGB", part.size, "white"), ImageEnhance.Color(part).enhance(0), _PAPER)
    marked = Image.blend(part, Image.new("RGB", part.size, _MARK), 0.3)
    return Image.composite(marked, pale, changed)
