"""Packed pixels make the same renditions as the PNG that they were decoded from."""

import io

import pytest
from PIL import Image, ImageCms

from images import NotAPicture, identify, make_rendition
from images.pixels import NotPacked, pack, unpack
from options import Rendition

SIZES = [(1, 1), (40, 30), (7, 257), (300, 700), (1024, 1024), (1025, 1025), (4, 262145)]


def drawn(mode, size):
    image = Image.linear_gradient("L").resize(size)
    if mode == "RGBA":
        return Image.merge(mode, (image, image.rotate(90), image.rotate(180), image.rotate(270)))
    return Image.merge(mode, (image, image.rotate(90), image.rotate(180))) if mode == "RGB" else image.convert(mode)


def png(image, **options):
    target = io.BytesIO()
    image.save(target, "PNG", **options)
    return target.getvalue()


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_pixels_are_unpacked_as_they_were_packed(mode, size):
    image = drawn(mode, size)
    found = unpack(pack(image))

    assert (found.mode, found.size, found.tobytes()) == (mode, size, image.tobytes())


@pytest.mark.parametrize("kind", ["png", "webp", "jpeg"])
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "1", "I;16"])
def test_a_rendition_from_pixels_is_the_one_from_the_file(mode, kind):
    body = png(drawn(mode, (300, 200)))
    wanted = Rendition(w=100, format=kind)

    assert make_rendition(body, wanted, identify(body).pixels) == make_rendition(body, wanted)


def profile():
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.mark.parametrize(
    "options", [{"icc_profile": profile()}, {"transparency": (1, 2, 3)}, {"exif": b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"}],
    ids=["a colour profile", "a transparent colour", "an orientation"],
)  # fmt: skip
def test_a_file_that_says_more_than_its_pixels_is_decoded_each_time(options):
    assert identify(png(drawn("RGB", (30, 20)), **options)).pixels == b""


def test_a_drawing_whose_pixels_take_more_than_its_file_is_decoded_each_time():
    body = png(Image.radial_gradient("L").resize((2000, 2000)).convert("RGB"))
    found = identify(body).pixels

    assert len(found) <= 4 * len(body)


@pytest.mark.parametrize(
    "damage",
    [lambda data: data[:-9], lambda data: b"?" + data[1:], lambda data: data[:5]],
    ids=["cut off", "of another mode", "without a size"],
)
def test_pixels_that_are_not_ours_are_not_unpacked(damage):
    body = png(drawn("RGB", (40, 30)))
    broken = damage(identify(body).pixels)
    with pytest.raises(NotPacked):
        unpack(broken)

    wanted = Rendition(w=20, format="png")
    assert make_rendition(body, wanted, broken) == make_rendition(body, wanted)
    with pytest.raises(NotAPicture):
        make_rendition(b"no picture", wanted, broken)
