"""The memory that the largest pictures take, in processes of the test's own."""

import platform

import pytest

from images import pixels_held
from options import FORMATS, MAX_PIXELS, Rendition
from tests.support.processes import output_of

MEBIBYTE = 2**20
# What a web process may take beside its pictures in memory and what it has at rest: 600 MiB of 250.
MOST = 350

WORK = """
import io, re, sys
from pathlib import Path
from PIL import Image
import images
from images import identify, make_rendition
from options import Rendition

mode, format_, width, box, noise = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:])
images.return_large_buffers(images.VERY_LARGE)

def resident(which):
    return int(re.search(which + r":\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024

def draw():
    keyed, mode_ = mode == "keyed", "RGB" if mode == "keyed" else mode
    image = Image.new(mode_, (3840, 17400), 77 if mode_ in "LP" else (51, 119, 255, 255)[: len(mode_)])
    for top in range(0, 3000 if noise else 0, 500):
        image.paste(Image.effect_noise((3840, 500), 90).convert(mode_), (0, top))
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=1, **({"transparency": (51, 119, 255)} if keyed else {}))
    return file.getvalue()

page = draw()
before = resident("VmRSS")
Path("/proc/self/clear_refs").write_text("5")
identity = identify(page)
if format_:
    make_rendition(page, Rendition(w=width or None, h=box or None, format=format_), identity.pixels)
print(resident("VmHWM") - before)
"""


DECODING = """
import io, re, sys
from pathlib import Path
from PIL import Image
import images

format_, mode, width, height = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
images.return_large_buffers(images.VERY_LARGE)
file = io.BytesIO()
options = {"WEBP": {"method": 0}, "AVIF": {"speed": 10}, "JPEG": {"progressive": True, "subsampling": 0}}
Image.new(mode, (width, height), "navy").save(file, format_, **options.get(format_, {"compress_level": 1}))
picture = file.getvalue()
del file

def resident(which):
    return int(re.search(which + r":\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024

before = resident("VmRSS")
Path("/proc/self/clear_refs").write_text("5")
try:
    images.identify(picture)
    took = True
except images.NotAPicture as err:
    took = "pixels are more than" not in str(err) and err
print(resident("VmHWM") - before, took)
"""


def mebibytes(mode, format_="", width=0, box=0, noise=0):
    """Return the memory that a process takes to identify the largest page and to make a rendition of it."""
    return int(output_of(WORK, mode, format_, str(width), str(box), str(noise)))


pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another libc has no such setting")


def test_the_largest_page_is_identified_with_little_more_memory_than_its_pixels_take():
    assert mebibytes("RGB") <= 4 * MAX_PIXELS / MEBIBYTE + 24


@pytest.mark.parametrize(
    ("mode", "format_", "width", "box"),
    [
        ("RGBA", "jpeg", 0, 0),
        ("keyed", "jpeg", 0, 0),
        ("P", "jpeg", 3800, 0),
        ("RGB", "webp", 0, 0),
        ("RGB", "avif", 3840, 3840),
        ("P", "lqip", 0, 0),
    ],
)
def test_no_rendition_of_the_largest_page_takes_more_memory_than_a_web_process_has(mode, format_, width, box):
    assert mebibytes(mode, format_, width, box, noise=1) <= MOST


@pytest.mark.parametrize(
    ("format_", "mode", "size", "decodes"),
    [
        ("WEBP", "RGBA", (16383, 1024), True),
        ("WEBP", "RGB", (16383, 4000), False),
        ("AVIF", "RGBA", (16384, 1024), True),
        ("AVIF", "RGB", (8192, 4096), False),
        ("JPEG", "RGB", (8192, 4096), True),
        ("JPEG", "CMYK", (8192, 4096), False),
        ("PNG", "P", (8192, 8192), True),
        ("PNG", "1", (8192, 8192), True),
    ],
)
def test_no_picture_takes_more_memory_to_decode_than_a_web_process_has(format_, mode, size, decodes):
    """Decoders hold up to sixteen bytes for each pixel, so pictures of some formats have fewer."""
    took, decoded = output_of(DECODING, format_, mode, *map(str, size)).split()
    assert int(took) <= MOST
    assert decoded == str(decodes)


COLOUR = """
import io, os, re
from pathlib import Path
from PIL import Image
import images

images.return_large_buffers(images.VERY_LARGE)
file = io.BytesIO()
Image.new("RGBA", (8192, 8192), (1, 2, 3, 200)).save(file, "PNG", compress_level=1)
picture = file.getvalue()

def resident(which):
    return int(re.search(which + r":\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024

before = resident("VmRSS")
Path("/proc/self/clear_refs").write_text("5")
images.%s(picture)
print(resident("VmHWM") - before, 4 * images.pixels_decoding(picture) >> 20)
"""


@pytest.mark.parametrize("work", ["mean_colour", "palette"])
def test_a_mean_colour_takes_no_more_memory_than_it_is_charged_for(work):
    took, charged = map(int, output_of(COLOUR % work).split())
    assert took <= charged + 40


def test_work_is_charged_for_the_memory_that_it_takes():
    """A process holds the pixels of the largest capture at a time, at four bytes each."""
    page = (3840, 2160)
    for format_ in ("png", "webp", "jpeg", "avif"):
        held = pixels_held(page, Rendition(format=format_))
        assert held >= 3840 * 2160 * (3 + FORMATS[format_].copies)
    assert pixels_held(page, Rendition(format="avif")) >= MAX_PIXELS  # so nothing else is decoded beside it
    assert pixels_held((0, 0), Rendition(format="pdf")) == 0
