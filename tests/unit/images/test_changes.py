"""How much of a page changed, and where."""

import io
import resource

import pytest
from PIL import Image, ImageDraw

from images import Change, NotAPicture, compare, difference, draw_difference, mean_colour, palette


def page(size=(400, 300), *boxes, colour="white", background="#ddeeff"):
    image = Image.new("RGB", size, background)
    draw = ImageDraw.Draw(image)
    for left, top, width, height in boxes:
        draw.rectangle((left, top, left + width - 1, top + height - 1), fill=colour)
    return png(image)


def png(image):
    target = io.BytesIO()
    image.save(target, "PNG")
    return target.getvalue()


def test_the_same_page_has_not_changed():
    assert compare(page(), page()) == Change()
    assert compare(page(), png(Image.open(io.BytesIO(page())).convert("RGBA"))) == Change(), "only encoded anew"


def test_a_change_has_its_share_and_its_region():
    change = compare(page(), page((400, 300), (100, 80, 200, 150), colour="black"))
    left, top, width, height = change.region
    assert 25 <= change.share < 28  # a quarter, and what the patches at its edges add
    assert (100 - 8 <= left <= 100, 80 - 8 <= top <= 80) == (True, True)
    assert (300 <= left + width <= 308, 230 <= top + height <= 238) == (True, True)


def test_a_small_change_is_more_than_none():
    change = compare(page((1280, 4000)), page((1280, 4000), (600, 3001, 8, 12), colour="black"))
    assert 0 < change.share < 0.1
    assert change.region[1] > 2980


def test_what_no_visitor_sees_is_no_change():
    caret = page((400, 300), (200, 100, 1, 16), colour="black")
    assert difference(page(), caret) == 0
    assert compare(page(), caret) == Change()
    assert compare(page(), page(background="#ddeefe")) == Change(), "one shade"


@pytest.mark.parametrize("turned", [False, True])
def test_what_only_the_taller_picture_reaches_has_changed(turned):
    pair = [page((400, 300)), page((400, 400))]
    change = compare(*(reversed(pair) if turned else pair))
    assert change == Change(25.0, (0, 300, 400, 100))


def test_what_only_the_wider_picture_reaches_has_changed():
    assert compare(page((300, 300)), page((400, 300))) == Change(25.0, (300, 0, 100, 300))


def test_an_empty_corner_is_part_of_neither_picture():
    change = compare(page((400, 100)), page((100, 400)))
    assert change == Change(round(100 * 60000 / 70000, 2), (0, 0, 400, 400))


def test_a_new_page_has_changed_as_a_whole():
    assert compare(page(), page(background="black")) == Change(100.0, (0, 0, 400, 300))


def test_large_pictures_are_compared_by_reduced_copies():
    tall = (1280, 14_000)  # above 16 million pixels
    assert compare(page(tall), page(tall, background="#ddeefe")) == Change()
    change = compare(page(tall), page(tall, (0, 7000, 1280, 700), colour="black"))
    assert 5 <= change.share < 5.2
    assert change.region[1] in range(6980, 7001)


def test_a_document_with_other_bytes_has_changed():
    assert compare(b"%PDF-1", b"%PDF-2") == Change(100.0)


def test_junk_is_refused():
    with pytest.raises(NotAPicture):
        compare(page(), b"junk")


def test_the_difference_is_drawn_in_colour_and_the_rest_pale():
    old, new = page(colour="red"), page((400, 350), (100, 80, 200, 150), colour="black")
    drawn = Image.open(io.BytesIO(draw_difference(old, new)))
    assert (drawn.format, drawn.size) == ("PNG", (400, 350))
    changed, same, added = (drawn.getpixel(at) for at in ((200, 150), (10, 10), (10, 340)))
    assert changed[0] > 50 > changed[1]
    assert len(set(same)) == 1, "without colour"
    assert added[0] > added[1]


def test_large_differences_are_drawn_at_a_quarter_of_the_size():
    tall = (1280, 14_000)
    drawn = Image.open(io.BytesIO(draw_difference(page(tall), page(tall, (0, 0, 99, 99)))))
    assert drawn.size == (320, 3500)


@pytest.mark.parametrize("reach", [8000, 1 << 22])
def test_pictures_that_reach_far_in_different_directions_are_drawn_small(reach):
    wide, tall = page((reach, 9), colour="red"), page((9, reach), colour="red")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    drawn = Image.open(io.BytesIO(draw_difference(wide, tall)))
    assert drawn.width == drawn.height == pytest.approx(min(reach, 4096), rel=0.6)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 400 << 10


@pytest.mark.parametrize(
    ("mode", "size"),
    [
        *((mode, (400, 300)) for mode in ("1", "P", "L", "LA", "I;16", "RGBA")),
        ("P", (5000, 4000)),
        ("LA", (5000, 4000)),
    ],
)
def test_pictures_of_all_modes_are_compared(mode, size):
    """Palettes and 16 bits of grey come from tools that make a PNG small, or from a scanner."""
    white, black = page(size, background="white"), Image.new(mode, size, 0 if len(mode) < 2 else None)
    if mode in ("LA", "RGBA"):
        black.putalpha(255)
    for other, colour, share in ((white, "#ffffff", 0.0), (png(black), "#000000", 100.0)):
        assert mean_colour(other) == colour
        assert palette(other) == (colour,)
        assert compare(white, other).share == share
        assert Image.open(io.BytesIO(draw_difference(other, white))).format == "PNG"


def test_16_bits_of_grey_keep_their_shades():
    grey = Image.new("I;16", (40, 30), 0x8080)
    assert mean_colour(png(grey)) == "#808080"


def test_a_comparison_holds_little_more_than_both_pictures():
    size = (1280, 12_000)
    pair = page(size), page(size, (0, 0, 500, 500))
    both = 2 * size[0] * size[1] * 3
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    compare(*pair)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    assert grown < 2 * both


def test_the_mean_colour_is_told():
    assert mean_colour(page(background="#102030")) == "#102030"
    grey = mean_colour(page((400, 300), (0, 0, 200, 300), colour="white", background="black"))
    assert 0x76 < int(grey[1:3], 16) < 0x88, "about half"
