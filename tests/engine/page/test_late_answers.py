"""Sites that answer late, or never: how long a page gets for its first byte, and its parts for theirs."""

import asyncio
import threading
import time
from collections.abc import Iterator

import pytest

from engine.egress.gate import Limits, Stream
from engine.page.loading import LONG_SECONDS, SILENT_SECONDS
from tests.engine.conftest import small_engine
from tests.engine.page.test_hostile_pages import failure
from tests.engine.page.test_options import GREEN, RED, body, colour_of, png
from tests.support.engine import Engine
from tests.support.inprocess import Service, running_service
from tests.support.pages_at_rest import running_greeter
from tests.support.proxy import PUBLIC
from tests.support.site import Site

FAR = "93.184.216.35"
LATE = 1.0
LIMITS = Limits(idle=0.3, first_byte=20)
LATE_PAGES = ["/late", "/late-behind-redirect", "/late-behind-script", "/late-after-load", "/late-fetch"]
HELD_UP = ["/held-up-by-script", "/held-up-by-style"]


async def capture_all(service: Service, paths: list[str]) -> list[bytes]:
    """Capture two pages at a time."""
    turn = asyncio.Semaphore(2)

    async def capture(path: str) -> bytes:
        async with turn:
            return await service.capture(f"http://late.example.com{path}")

    return await asyncio.gather(*map(capture, paths), return_exceptions=True)


@pytest.fixture(scope="module")
def late_pages(site: Site) -> dict[str, bytes]:
    """Pictures by an engine that ends idle connections long before the site answers."""
    site.add("/late", body("green"), late=LATE)
    never = "/never.js"
    site.add(never, gate=threading.Event())
    site.add("/late-behind-redirect", status=302, headers={"Location": "/late"})
    site.add("/late-behind-script", body("red", "<script>location = '/late'</script>"))
    site.add("/late-after-load", body("red", "<script>onload = () => { location = '/late' }</script>"))
    site.add("/late-part", "green", late=LATE)
    fetch = "onload = async () => { document.body.style.background = await (await fetch('/late-part')).text() }"
    site.add("/late-fetch", body("red", f"<script>{fetch}</script>"))
    site.add("/held-up-by-script", body("green", head=f"<script src={never}></script>"))
    site.add("/held-up-by-style", body("green", head=f"<link rel=stylesheet href={never}>"))
    paths = [*LATE_PAGES, *HELD_UP]

    async def connect(_: str, __: int) -> Stream:
        return await asyncio.open_connection(site.host, site.port)

    async def capture() -> list[bytes]:
        async with running_service(lambda _: [PUBLIC], connect, LIMITS, slots=2) as service:
            return await capture_all(service, paths)

    return dict(zip(paths, asyncio.run(capture()), strict=True))


@pytest.mark.parametrize("path", LATE_PAGES)
def test_a_page_whose_first_byte_comes_late_is_captured(late_pages: dict[str, bytes], path: str):
    assert colour_of(late_pages[path]) == GREEN


@pytest.mark.parametrize("path", HELD_UP)
def test_a_part_that_never_answers_does_not_hold_up_the_page_for_so_long(late_pages: dict[str, bytes], path: str):
    """Otherwise the page would still show nothing when its time is over."""
    assert colour_of(late_pages[path]) == GREEN


SLEEPY = "a part that answers when nothing else has come for seconds"
POLL = "a poll beside a part that never answers"
CHAIN = "a poll beside scripts that come one after the other"
SOCKET = "a WebSocket whose connection takes long"
DIAL_SECONDS = 0.3
DOWNLOAD = "a download that takes long"
SLOW = Limits(byte_burst=1000, byte_rate=45_000)  # bytes in a second


@pytest.fixture(scope="module")
def answers(site: Site) -> dict[str, tuple[bytes, str, float]]:
    """For pages whose parts come late or never: the picture, its notes, and the seconds that the capture took."""
    site.add("/sleepy.png", png(9, 9, RED), content_type="image/png", late=6)
    site.add("/polled", "nothing new")
    site.add("/photo.png", png(9, 9, RED) + bytes(600_000), content_type="image/png")
    poll = "setInterval(() => fetch('/polled?' + Math.random()), 400)"
    pages = {
        SLEEPY: body("green", "<img src=/sleepy.png>"),
        SOCKET: body(
            "red",
            "<script>onload = () => { new WebSocket('ws://live.example.com').onmessage = () => {"
            " document.body.style.background = 'green' } }</script>",
        ),
        POLL: body("green", f"<img src=/never-at-all><script>{poll}</script>"),
        CHAIN: body("red", f"<script>{poll}</script><script src=/slow-1.js></script><script src=/slow-2.js></script>"),
        DOWNLOAD: body("red", "<img src=/photo.png onload=\"document.body.style.background = 'green'\" hidden>"),
    }
    add_next = "document.write('<script src=/slow-3.js></' + 'script>')"
    for number, code in enumerate(["", add_next, "document.body.style.background = 'green'"], 1):
        site.add(f"/slow-{number}.js", code, content_type="text/javascript", late=1.7)
    site.add("/never-at-all", gate=site.closing)

    async def connect(address: str, _: int) -> Stream:
        if address == PUBLIC:
            return await asyncio.open_connection(site.host, site.port)
        await asyncio.sleep(DIAL_SECONDS)
        return await asyncio.open_connection("127.0.0.1", greeter)

    def lookup(name: str) -> list[str]:
        return [FAR if name.startswith("live.") else PUBLIC]

    async def ask(service: Service, url: str) -> tuple[bytes, str, float]:
        began = time.monotonic()
        status, headers, picture = await service.get(url=url, width=400, height=300)
        assert status == 200, picture
        return picture, headers.get("X-Thumb-Note", ""), time.monotonic() - began

    async def ask_all() -> list[tuple[bytes, str, float]]:
        paths = [f"/answers-{number}" for number in range(len(pages))]
        for path, page in zip(paths, pages.values(), strict=True):
            site.add(path, page)
        async with running_service(lookup, connect, SLOW, slots=len(paths)) as service:
            return await asyncio.gather(*(ask(service, f"http://late.example.com{path}") for path in paths))

    with running_greeter() as greeter:
        return dict(zip(pages, asyncio.run(ask_all()), strict=True))


def test_a_part_that_was_given_up_is_noted(answers: dict[str, tuple[bytes, str, float]]):
    """So that its picture does not stay fresh for a day."""
    picture, notes, _ = answers[SLEEPY]
    assert colour_of(picture) == GREEN
    assert notes.startswith("parts-missing=")


def test_a_websocket_counts_from_its_first_packet(answers: dict[str, tuple[bytes, str, float]]):
    """The two seconds of page time are over before it is connected."""
    assert colour_of(answers[SOCKET][0]) == GREEN


def test_a_poll_does_not_keep_a_page_waiting_for_a_part_that_never_answers(
    answers: dict[str, tuple[bytes, str, float]],
):
    picture, _, seconds = answers[POLL]
    assert colour_of(picture, (300, 200)) == GREEN
    assert seconds < LONG_SECONDS + 1.5 * SILENT_SECONDS


def test_a_poll_does_not_cut_a_page_whose_parts_come_slowly(answers: dict[str, tuple[bytes, str, float]]):
    picture, notes, _ = answers[CHAIN]
    assert (colour_of(picture, (300, 200)), notes) == (GREEN, "")


def test_a_download_may_take_long(answers: dict[str, tuple[bytes, str, float]]):
    picture, _, seconds = answers[DOWNLOAD]
    assert colour_of(picture, (300, 200)) == GREEN
    assert seconds > LONG_SECONDS + 1.5 * SILENT_SECONDS


@pytest.fixture(scope="module")
def impatient(site: Site) -> Iterator[Engine]:
    with small_engine(site, ENGINE_FIRST_BYTE_SECONDS=1) as engine:
        yield engine


@pytest.mark.parametrize("redirected", [False, True])
def test_a_page_that_never_answers_ends_as_a_time_out_before_the_deadline(
    impatient: Engine, site: Site, redirected: bool
):
    url = site.add("/never", gate=site.closing)
    if redirected:  # over the same connection, which has answered once
        url = site.add("/to-never", status=302, headers={"Location": "/never"})
    assert failure(impatient.capture(url, timeout=9)) == (504, "timeout", "the page did not answer in time")
