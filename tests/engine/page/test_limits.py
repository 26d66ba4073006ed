"""Limits of a capture that leave something out of the picture, and the header that says so."""

import asyncio
import functools
import struct
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from engine.egress.gate import Limits, Stream
from tests.engine.page.test_options import GREEN, RED, body, colour, picture, png
from tests.support.engine import Engine
from tests.support.inprocess import Service, running_service
from tests.support.proxy import PUBLIC
from tests.support.site import Site

NOTE = "X-Thumb-Note"


@asynccontextmanager
async def limited(site: Site, limits: Limits) -> AsyncIterator[Service]:
    async def connect(_: str, __: int) -> Stream:
        return await asyncio.open_connection(site.host, site.port)

    async with running_service(lambda _: [PUBLIC], connect, limits) as service:
        yield service


def note(site: Site, limits: Limits, path: str, **params: object) -> str | None:
    """Capture a page within `limits`, and return its notes."""

    async def capture() -> str | None:
        async with limited(site, limits) as service:
            status, headers, _ = await service.get(url=f"http://limited.example.com{path}", **params)
            assert status == 200
            return headers.get(NOTE)

    return asyncio.run(capture())


def fat_png(size: int) -> bytes:
    """A green picture of 40 × 40 pixels in a file of about `size` bytes: what follows its end is ignored."""
    return png(40, 40, GREEN) + bytes(size)


def squares(site: Site, number: int, *, closing: bool = False, size: int = 0) -> str:
    """Serve a red page that is full of green squares, each a file of its own."""
    headers = {"Connection": "close"} if closing else {}
    site.add("/square.png", fat_png(size), content_type="image/png", headers=headers)
    images = "".join(f"<img src='/square.png?{n}' width=40 height=40>" for n in range(number))
    return site.add(
        "/squares", body("red", f"<div style='display:flex;flex-wrap:wrap'>{images}</div>"), headers=headers
    )


def shown(answer, number: int) -> list[bool]:
    """Return which of the squares are shown."""
    seen = picture(answer)
    return [seen.getpixel((n % 32 * 40 + 20, n // 32 * 40 + 20)) == GREEN for n in range(number)]


def test_a_page_of_many_connections_is_whole(engine: Engine, site: Site):
    answer = engine.capture(squares(site, 400, closing=True))
    assert shown(answer, 400) == [True] * 400
    assert NOTE not in answer.headers


def test_a_page_of_many_megabytes_is_whole(engine: Engine, site: Site):
    answer = engine.capture(squares(site, 8, size=5 << 20))
    assert shown(answer, 8) == [True] * 8
    assert NOTE not in answer.headers


def test_parts_beyond_the_rate_of_connections_are_noted(site: Site):
    squares(site, 30, closing=True)
    before = site.hits("/square.png")
    said = note(site, Limits(connection_burst=20, connection_rate=0.001), "/squares")
    assert said == f"parts-missing={30 - (site.hits('/square.png') - before)}"


def test_a_part_that_waits_for_the_rate_of_bytes_is_noted(site: Site):
    squares(site, 1, size=1 << 20)
    said = note(site, Limits(byte_burst=100_000, byte_rate=1), "/squares", wait_until="domcontentloaded", delay=200)
    assert said == "parts-missing=1"


def test_a_part_that_the_guard_refuses_is_no_note(engine: Engine, site: Site):
    url = site.add("/refused-part", body("green", "<img src='http://10.0.0.1/a.png'>"))
    assert NOTE not in engine.capture(url).headers


def tall(height: int) -> str:
    return body("green", f"<div style='height:{height}px'></div><div style='height:9px;background:red'></div>")


@pytest.fixture(scope="module")
def tower(site: Site) -> Iterator[str]:
    return site.add("/tower", tall(20_000))


@dataclass(frozen=True)
class Cut:
    options: dict[str, object]
    note: str | None
    height: int  # of the picture


@pytest.mark.parametrize(
    "cut",
    [
        Cut({"full_page": "true"}, "cut-at=16384", 16384),
        Cut({"full_page": "true", "scale": 2, "format": "jpeg"}, "cut-at=8192", 16384),
        Cut({"full_page": "true", "max_height": 3000}, "cut-at=3000", 3000),
        Cut({"full_page": "true", "max_height": 3000, "scale": 2}, "cut-at=3000", 6000),
        Cut({"full_page": "true", "max_height": 500}, "cut-at=500", 500),  # less than the viewport
        Cut({"full_page": "true", "max_height": 500, "format": "jpeg"}, "cut-at=500", 500),
        Cut({"selector": "div", "max_height": 3000}, "cut-at=16384", 16384),
        Cut({"max_height": 500}, None, 720),  # a viewport is not cut
    ],
    ids=str,
)
def test_a_page_that_goes_on_below_its_picture_is_noted(engine: Engine, tower: str, cut: Cut):
    answer = engine.capture(tower, width=320, **cut.options)
    assert picture(answer).size[1] == cut.height
    assert colour(answer, (10, cut.height - 1)) == pytest.approx(GREEN, abs=2)
    assert answer.headers.get(NOTE) == cut.note


@pytest.mark.parametrize("max_height", [{}, {"max_height": 1009}, {"max_height": 16384}])
def test_a_page_that_is_shown_whole_is_not_noted(engine: Engine, site: Site, max_height: dict[str, int]):
    answer = engine.capture(site.add("/not-so-tall", tall(1000)), width=320, full_page="true", **max_height)
    assert picture(answer).size == (320, 1009)
    assert colour(answer, (10, 1008)) == RED
    assert NOTE not in answer.headers


def test_paper_is_never_cut(engine: Engine, tower: str):
    answer = engine.capture(tower, format="pdf", max_height=500)
    assert (answer.status_code, answer.headers.get(NOTE)) == (200, None)


def add_vast_image(site: Site) -> None:
    """Its file is small: 300 kB hold a picture that takes 1.2 GB."""
    chunks = [
        b"IHDR" + struct.pack(">IIBBBBB", 20_000, 16_000, 8, 0, 0, 0, 0),
        b"IDAT" + one_grey(20_000 * 16_000),
        b"IEND",
    ]
    whole = b"".join(struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in chunks)
    site.add("/vast.png", b"\x89PNG\r\n\x1a\n" + whole, content_type="image/png")


def test_a_page_with_an_image_too_large_for_memory_is_shown_without_its_images(engine: Engine, site: Site):
    add_vast_image(site)
    images = "<img src=/vast.png width=300 height=200><img src=/square.png width=300 height=200>"
    answer = engine.capture(site.add("/vast", body("green", images)), width=400, height=300)
    assert colour(answer, (350, 250)) == GREEN
    assert answer.headers[NOTE] == "parts-missing=2"


def test_such_a_page_may_also_be_unable_to_draw_when_it_is_asked_to(short_deadline_engine: Engine, site: Site):
    add_vast_image(site)
    busy = "<img src=/vast.png width=300 height=200 onerror='setTimeout(() => { while (true); }, 500)'>"
    answer = short_deadline_engine.capture(site.add("/vast-busy", body("green", busy)), width=400, height=300)
    assert colour(answer, (350, 250)) == GREEN


@functools.cache
def one_grey(pixels: int) -> bytes:
    """Compress so many pixels of one grey, a part at a time."""
    squeeze = zlib.compressobj(1)
    part = bytes(20_001)  # a row and the number of its filter
    return b"".join(squeeze.compress(part) for _ in range(pixels // 20_000)) + squeeze.flush()
