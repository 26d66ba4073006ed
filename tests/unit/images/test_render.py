"""Identify, fit and encode: renditions have the requested size, and no input makes them grow without bound."""

import io
import threading
import time
from dataclasses import replace
from itertools import pairwise
from random import Random

import pytest
from PIL import Image, ImageChops, ImageDraw, ImageStat

import images
from images import NotAPicture, identify, make_rendition
from options import FORMATS, CaptureOptions, Clip, Rendition
from urls import locate


def picture(width, height, format_="PNG", colour=None):
    image = Image.new("RGB", (width, height), colour or "white")
    if colour is None:
        ImageDraw.Draw(image).rectangle((0, 0, width // 3, height // 3), fill="red")
    target = io.BytesIO()
    image.save(target, format_)
    return target.getvalue()


def size_of(body):
    return Image.open(io.BytesIO(body)).size


@pytest.mark.parametrize(
    ("source", "rendition", "expected"),
    [
        ((1280, 720), Rendition(w=640, h=640), (640, 640)),
        ((320, 16384), Rendition(w=2000), (320, 16384)),
        ((320, 16384), Rendition(w=160), (160, 8192)),
        ((1280, 1), Rendition(h=3840), (1280, 1)),
        ((1280, 1), Rendition(w=16), (16, 1)),
        ((100, 100), Rendition(w=3840, h=3840), (3840, 3840)),
        ((100, 50), Rendition(w=400, h=400, fit="inside"), (100, 50)),
        ((1280, 720), Rendition(w=100, h=100, fit="contain"), (100, 100)),
    ],
)
def test_a_rendition_has_the_requested_size_and_is_enlarged_only_on_demand(source, rendition, expected):
    assert size_of(make_rendition(picture(*source), rendition)[0]) == expected


@pytest.mark.parametrize(("format_", "longest"), [("webp", 16383), ("jpeg", 16384), ("avif", 16384), ("png", 16384)])
def test_a_very_tall_page_fits_every_format(format_, longest):
    body, identity = make_rendition(picture(40, 16384), Rendition(format=format_))
    assert max(size_of(body)) == identity.height == longest


@pytest.mark.parametrize(
    ("format_", "rendition", "shape"),
    [("webp", Rendition(), 4500 / 4800), ("avif", Rendition(), 4500 / 4800), ("avif", Rendition(w=3840, h=3840), 1)],
)
def test_a_picture_with_too_many_pixels_for_its_encoder_is_reduced_in_its_shape(format_, rendition, shape):
    body, identity = make_rendition(picture(4500, 4800), replace(rendition, format=format_))
    width, height = size_of(body)
    assert (width, height) == (identity.width, identity.height)
    assert width / height == pytest.approx(shape, rel=0.001)
    assert 0.999 < width * height / FORMATS[format_].most_pixels <= 1


@pytest.mark.parametrize("format_", ["png", "jpeg"])
def test_a_format_that_is_encoded_row_by_row_keeps_all_pixels(format_):
    body, _ = make_rendition(picture(4500, 4800), Rendition(format=format_))
    assert size_of(body) == (4500, 4800)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "L"])
@pytest.mark.parametrize(
    "rendition",
    [
        Rendition(w=900),
        Rendition(w=300, h=250),
        Rendition(w=1111, h=77),
        Rendition(w=100),
        Rendition(h=30, fit="inside"),
    ],
)
def test_a_picture_that_is_resized_in_parts_looks_as_if_it_were_resized_at_once(mode, rendition, monkeypatch):
    rng = Random(7)
    page = Image.effect_noise((1003, 1721), 80).convert("RGB")
    ImageDraw.Draw(page).ellipse((50, 60, 900, 1500), fill=(rng.randrange(256), 20, 90))
    if mode == "RGBA":
        page.putalpha(Image.linear_gradient("L").resize(page.size))
    target = io.BytesIO()
    page.convert(mode).save(target, "PNG")

    at_once, _ = make_rendition(target.getvalue(), rendition)
    monkeypatch.setattr("images.render._AT_ONCE", 1000)
    monkeypatch.setattr("images.render._PART", 50_000)
    in_parts, _ = make_rendition(target.getvalue(), rendition)
    difference = ImageChops.difference(on_white(at_once), on_white(in_parts))
    assert max(high for _, high in difference.getextrema()) <= 8
    assert max(ImageStat.Stat(difference).mean) < 0.3


def on_white(body):
    image = Image.open(io.BytesIO(body)).convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")


@pytest.mark.parametrize("width", [300, 900])
def test_a_picture_that_is_resized_in_parts_keeps_its_profile_and_its_transparent_colour(width, monkeypatch):
    target = io.BytesIO()
    Image.new("RGB", (1003, 1721), (9, 9, 9)).save(target, "PNG", icc_profile=b"profile", transparency=(9, 9, 9))
    at_once = Image.open(io.BytesIO(make_rendition(target.getvalue(), Rendition(w=width))[0]))
    monkeypatch.setattr("images.render._AT_ONCE", 1000)
    monkeypatch.setattr("images.render._PART", 50_000)
    in_parts = Image.open(io.BytesIO(make_rendition(target.getvalue(), Rendition(w=width))[0]))
    assert in_parts.info == at_once.info
    assert in_parts.info["icc_profile"] == b"profile"


@pytest.mark.parametrize("format_", ["png", "jpeg"])
def test_the_page_s_own_width_asks_for_the_page_s_own_size(format_):
    body, _ = make_rendition(picture(4500, 4800), Rendition(w=4500, format=format_))
    assert size_of(body) == (4500, 4800)


def test_cover_keeps_the_head_of_the_page():
    image = Image.open(io.BytesIO(make_rendition(picture(300, 900), Rendition(w=90, h=90))[0])).convert("RGB")
    assert image.getpixel((5, 5)) == (255, 0, 0)


def page_of_text(width=640, height=360):
    image = Image.new("RGB", (width, height), "white")
    for line in range(0, height, 14):
        ImageDraw.Draw(image).text(
            (line % 31, line), "The quick brown fox jumps over the lazy dog. " * 3, (line % 200, 20, 90)
        )
    return image


@pytest.mark.parametrize("quality", [60, 80, 90, 98, 100])
def test_a_webp_shows_as_much_as_one_of_the_encoder_s_default_method(quality):
    image = page_of_text()
    page, default = io.BytesIO(), io.BytesIO()
    image.save(page, "PNG")
    image.save(default, "WEBP", quality=quality)
    made, _ = make_rendition(page.getvalue(), Rendition(format="webp", quality=quality))

    assert loss(made, image) <= loss(default.getvalue(), image)
    assert len(made) <= 1.1 * len(default.getvalue())


def loss(body, image):
    """Return the root mean square of the differences, over all bands."""
    return sum(ImageStat.Stat(ImageChops.difference(Image.open(io.BytesIO(body)), image)).rms)


def test_bars_are_transparent_where_the_format_can():
    clear = Image.open(io.BytesIO(make_rendition(picture(300, 100), Rendition(w=90, h=90, fit="contain"))[0]))
    white = Image.open(
        io.BytesIO(make_rendition(picture(300, 100), Rendition(w=90, h=90, fit="contain", format="jpeg"))[0])
    )
    assert clear.getpixel((1, 1))[3] == 0
    assert white.getpixel((1, 1)) == (255, 255, 255)


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"GIF89a", picture(50, 50)[:-12], picture(50, 50)[:60], picture(50, 50, "JPEG")[:-2],
     picture(50, 50, "WEBP")[:-20], b"%PDF-1.7 nothing", b"%PDF-1.7 x startxref 0 %%EOF", b"%PDF-1.7\n%%EOF"],
)  # fmt: skip
def test_bytes_that_do_not_decode_to_the_end_are_not_a_picture(body):
    with pytest.raises(NotAPicture):
        identify(body)


def test_a_page_of_one_colour_is_doubted():
    options = CaptureOptions(locate("https://example.com/"), width=320, height=240)
    assert images.doubt(identify(picture(320, 240, colour="white")), options) == "blank"
    assert images.doubt(identify(picture(320, 240)), options) == ""
    assert "got 400 × 240" in images.doubt(identify(picture(400, 240)), options)
    part = replace(options, clip=Clip(0, 0, 50, 40))  # the page may end before the clip does
    assert images.doubt(identify(picture(50, 30)), part) == ""


def marked(x, y, width, height, size=(1280, 720)):
    """A page with one black mark of `width` × `height` pixels."""
    image = Image.new("RGB", size, "white")
    ImageDraw.Draw(image).rectangle((x, y, x + width - 1, y + height - 1), fill="black")
    target = io.BytesIO()
    image.save(target, "PNG")
    return target.getvalue()


@pytest.mark.parametrize("size", [(1280, 720), (1280, 9000)])
def test_a_small_mark_is_seen_however_large_the_page(size):
    assert images.difference(marked(0, 0, 1, 1, size), marked(1203, 577, 6, 6, size)) > images.INVISIBLE


def test_a_mark_is_seen_as_well_wherever_it_lies():
    """Pages are compared in strips, whose seams must not show: these lie alike on the grid of patches."""
    seen = {images.difference(marked(0, 0, 1, 1), marked(300, y, 6, 6)) for y in (126, 254, 510)}
    assert len(seen) == 1
    assert seen.pop() > images.INVISIBLE


def test_a_line_as_wide_as_a_hairline_is_not_seen():
    assert images.difference(marked(0, 0, 1, 1), marked(300, 300, 1, 30)) <= images.INVISIBLE
    assert images.difference(marked(0, 0, 1, 1), marked(300, 300, 2, 30)) > images.INVISIBLE
    assert images.difference(marked(0, 0, 1, 1), marked(300, 300, 2, 30), hairline=2) <= images.INVISIBLE


@pytest.mark.parametrize(
    "pair",
    [
        lambda: (marked(0, 0, 9, 9), marked(0, 0, 9, 9, size=(1280, 721))),
        lambda: (b"%PDF-1.7 a", b"%PDF-1.7 b"),
        lambda: (marked(0, 0, 9, 9), b"%PDF-1.7 b"),
        lambda: (marked(0, 0, 9, 9, size=(4100, 4100)), marked(0, 0, 8, 9, size=(4100, 4100))),
    ],
    ids=["another height", "documents", "a document instead", "too large to hold twice"],
)
def test_pictures_that_cannot_be_compared_differ(pair):
    old, new = pair()
    assert images.difference(old, new) == 255
    assert images.difference(new, new) == 0


@pytest.mark.slow
def test_other_threads_run_while_a_large_jpeg_is_made():
    master = io.BytesIO()
    Image.effect_noise((3000, 2000), 60).convert("RGB").save(master, "PNG", compress_level=1)
    beats, over = [], threading.Event()

    def beat():
        while not over.wait(0.001):
            beats.append(time.monotonic())

    thread = threading.Thread(target=beat)
    thread.start()
    began = time.monotonic()
    make_rendition(master.getvalue(), Rendition(format="jpeg"))
    ended = time.monotonic()
    over.set()
    thread.join()

    times = [began, *(beat for beat in beats if began < beat < ended), ended]
    longest = max(later - earlier for earlier, later in pairwise(times))
    assert longest < (ended - began) / 3, f"no other thread ran for {longest:.2f} of {ended - began:.2f} s"


@pytest.mark.parametrize("size", [(1280, 720), (16, 16), (40, 16384)])
def test_a_data_url_of_noise_has_at_most_two_hundred_bytes(size):
    noise = Image.merge("RGB", [Image.effect_noise(size, 200)] * 2 + [Image.effect_noise(size, 90)])
    target = io.BytesIO()
    noise.save(target, "PNG", compress_level=1)
    body, identity = make_rendition(target.getvalue(), Rendition(format="lqip"))
    assert body.startswith(b"data:image/webp;base64,")
    assert len(body) <= 200
    assert identity.content_type == "text/plain"
