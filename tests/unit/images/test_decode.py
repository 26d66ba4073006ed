"""How pictures of odd kinds are decoded, and what of them is only looked at."""

import io
import struct

import pytest
from PIL import Image

import images
from options import Rendition
from tests.support.processes import output_of

HEADER = """
import re, struct
from pathlib import Path
import images

side, disposal = 16_000, 2
screen = b"GIF89a" + struct.pack("<HHBBB", side, side, 0x80, 0, 0) + bytes(3) + b"\\xff" * 3
control = b"\\x21\\xf9\\x04" + bytes([disposal << 2 | 1]) + bytes(4)
frame = b"\\x2c" + struct.pack("<HHHHB", 0, 0, side, side, 0) + b"\\x02\\x02\\x44\\x01\\x00\\x3b"
gif = screen + control + frame

def resident(which):
    return int(re.search(which + r":\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024

before = resident("VmRSS")
Path("/proc/self/clear_refs").write_text("5")
%s
print(resident("VmHWM") - before)
"""


@pytest.mark.parametrize("read", ["pixels_of(gif)", "pixels_decoding(gif)", "read_icon(gif)", "read_preview(gif)"])
def test_the_header_of_a_gif_takes_no_memory_for_its_pixels(read):
    """Pillow makes a canvas of the frame's size for GIFs whose first frame is to be disposed of, when it opens them."""
    work = f"try:\n    images.{read}\nexcept images.NotAPicture:\n    pass"
    assert int(output_of(HEADER % work)) < 20


def mpo():
    """A photograph of a telephone: a JPEG that has a second one behind it."""
    body = io.BytesIO()
    Image.new("RGB", (40, 40), "navy").save(body, "MPO", save_all=True, append_images=[Image.new("RGB", (40, 40))])
    return body.getvalue()


def test_a_jpeg_with_a_second_picture_is_read_as_a_jpeg():
    identity = images.identify(mpo())
    assert (identity.content_type, identity.width) == ("image/jpeg", 40)


def test_grey_of_16_bits_keeps_its_transparent_colour():
    grey = Image.new("I;16", (400, 300), 40_000)
    body = io.BytesIO()
    grey.save(body, "PNG", transparency=40_000)
    made = images.make_rendition(body.getvalue(), Rendition(format="webp"))[0]
    assert Image.open(io.BytesIO(made)).convert("RGBA").getpixel((5, 5))[3] == 0


def test_a_cmyk_picture_does_not_pass_its_profile_on_to_rgb():
    body = io.BytesIO()
    Image.new("CMYK", (40, 40)).save(body, "JPEG", icc_profile=b"\0" * 12 + b"prtrCMYKLab " + b"\0" * 100)
    made = images.make_rendition(body.getvalue(), Rendition(format="png"))[0]
    assert b"CMYK" not in Image.open(io.BytesIO(made)).info.get("icc_profile", b"")


def gif(canvas, frame, *, at=(0, 0), extensions=b""):
    """Write a GIF of one frame, with a global and no local table of colours."""
    screen = b"GIF89a" + struct.pack("<HHBBB", *canvas, 0x80, 0, 0) + bytes(3) + b"\xff" * 3
    return screen + extensions + b"\x2c" + struct.pack("<HHHHB", *at, *frame, 0) + b"\x02\x02\x44\x01\x00\x3b"


COMMENT = b"\x21\xfe\x05hello\x00"


@pytest.mark.parametrize(
    ("body", "pixels"),
    [
        (gif((30, 20), (30, 20)), 600),
        (gif((30, 20), (30, 20), extensions=COMMENT * 3), 600),
        (gif((30, 20), (10, 10)), 600),
        (gif((30, 20), (40, 10), at=(5, 15)), 45 * 25),
        (gif((30, 20), (30, 20), extensions=COMMENT)[:30], 0),
        (b"GIF89a", 0),
        (gif((30, 20), (30, 20))[:19] + b"\x3b", 0),
    ],
)
def test_the_size_of_a_gif_is_that_of_its_canvas_and_first_frame(body, pixels):
    assert images.pixels_of(body) == pixels


CONTROL = b"\x21\xf9\x04" + bytes([2 << 2 | 1]) + bytes(4)
VAST = b"\x2c" + struct.pack("<HHHHB", 0, 0, 20_000, 20_000, 0) + b"\x02\x02\x44\x01\x00\x3b"


@pytest.mark.parametrize(
    "between",
    [
        b"\x21\xf9\x00" + b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x00",
        b"\x21\xff\x0bNETSCAPE2.0\x00" + b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x00",
        b"\x07",
        b"\x21\xfe\x01x" * 9000 + b"\x00",
    ],
    ids=["empty", "loop", "garbage", "blocks"],
)
def test_a_gif_in_which_pillow_would_find_another_frame_is_not_opened(between, monkeypatch):
    screen = b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0x80, 0, 0) + bytes(6)
    body = screen + CONTROL + between + VAST
    monkeypatch.setattr(Image, "open", lambda *_args, **_kwargs: pytest.fail("it was opened"))
    for read in (images.read_icon, images.read_preview, images.read_shared):
        with pytest.raises(images.NotAPicture):
            read(body)
    assert images.pixels_of(body) == 0


def test_a_gif_of_pillow_has_the_size_that_pillow_reads():
    for mode, size in (("P", (70, 50)), ("RGB", (33, 7)), ("1", (8, 8))):
        body = io.BytesIO()
        Image.new(mode, size).save(body, "GIF", comment=b"x" * 700)
        assert images.pixels_of(body.getvalue()) == size[0] * size[1]
