"""Pages that attack the browser, each with its allowed outcomes. They are rows of the table in docs/security-figures.md.

`tests/engine/page/test_hostile_table.py` tests their bounds, and `bench/security.py` prints their cost. Both capture one
page at a time, on an engine with the same `SETTINGS`.
"""

import gzip
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from requests import Response

from tests.support.engine import Engine, group_members
from tests.support.site import Site

PAGE_SIZE = 4096
ADS = Path(__file__).parents[1] / "data" / "ads.txt"
# In seconds and MiB. Without the memory watch, 2 GB of arrays would exceed the limit by far.
DEADLINE, RENDERER_LIMIT, MEMORY_LIMIT = 5, 640, 1536
SETTINGS = {
    "ENGINE_DEADLINE": DEADLINE,
    "ENGINE_RENDERER_LIMIT": RENDERER_LIMIT,
    "ENGINE_MEMORY_LIMIT": MEMORY_LIMIT,
    "ENGINE_CONCURRENCY": 2,
    "ENGINE_FILTER_LISTS": ADS,
}
# A loaded machine may add time: a second to close the page, the start of a browser, waits for the processor.
MAX_SECONDS = DEADLINE + 10
# A browser above its limit is replaced, but finishes its captures. If these take as much again as one renderer may, it
# is killed. The rest is for the engine's own process, the replacing browser, and growth between two inspections.
MAX_MIB = MEMORY_LIMIT + RENDERER_LIMIT + 1024


@dataclass(frozen=True)
class End:
    """The outcome of a capture, "picture" or the engine's error code, and the engine's error text."""

    outcome: str
    reason: str = ""


PICTURE = End("picture")
TOO_SLOW = End("timeout", f"the capture took longer than {DEADLINE} s")
BUSY = End("timeout", "the page was too busy to be inspected")
SILENT = End("timeout", "the page did not answer in time")
TOO_BIG = End("page_crashed", "the page crashed or used too much memory")
NOT_DRAWN = End("page_failed", "the browser could not draw the page")
NAVIGATING = End("page_failed", "the page navigated during every attempt to take its picture")
NOTHING_TO_SHOW = End("timeout", "the page had nothing to show in time")
NO_DOCUMENT = End("not_a_page", "the page could not be loaded: its answer had no content")
DOWNLOAD = End("not_a_page", "the URL is a file to download, not a page")
BAD_PDF = End("not_a_page", "the PDF cannot be drawn: it is damaged")
BAD_TLS = End(
    "tls_failed",
    "the page could not be loaded: its server speaks no TLS that the browser accepts (ERR_SSL_PROTOCOL_ERROR)",
)
REFUSED = End("page_status", "the page answered 401")
BLOCKED = End("blocked_url", "url: the host is not a public address that may be captured, or does not exist")
TOO_LARGE = End("page_too_large", "the picture has 26 MiB: at most 25 are allowed")
TOO_LONG = End("page_failed", "the page sent too much data in one request or message")
CRASHED = End("browser_crashed", "the browser crashed during the capture: try again in a few seconds")
# A page that keeps reloading may be inspected or drawn between any two documents, so several outcomes are possible.
RELOADING = PICTURE, NAVIGATING, NOT_DRAWN, NOTHING_TO_SHOW, TOO_SLOW
# These pages allocate all available memory. On a loaded machine, the limit, the deadline, a crash of the browser or the
# picture may come first.
GREEDY = PICTURE, TOO_BIG, NOT_DRAWN, SILENT, BUSY, NOTHING_TO_SHOW, TOO_SLOW, CRASHED
LARGE_POST = TOO_LONG, *GREEDY
# A loaded machine may not draw such a large page within the deadline, or not even load it.
LARGE = PICTURE, NOT_DRAWN, TOO_SLOW, SILENT


@dataclass(frozen=True)
class Hostile:
    """A hostile page: its response (`body`, `serving`), the options of its capture, and its allowed outcomes (`ends`).

    A large `body` is a function that makes it when it is served. A part of so many MiB is at the page's path and `-part`.
    """

    body: str | bytes | Callable[[], bytes]
    ends: tuple[End, ...]
    params: Mapping[str, Any] = field(default_factory=dict)
    serving: Mapping[str, Any] = field(default_factory=dict)
    tls: bool = False
    part: int = 0

    def serve(self, site: Site, path: str) -> str:
        site.add(f"{path}-part", bytes(self.part << 20))
        body = self.body() if callable(self.body) else self.body
        url = site.add(path, body, **self.serving) + "?token=s3cret"  # must not appear in any log
        return url.replace("http:", "https:") if self.tls else url


def page(inside: str, *ends: End, **params: Any) -> Hostile:
    return Hostile(f"<!doctype html><body style='background: green'>{inside}", ends, params)


def script(text: str, *ends: End, **params: Any) -> Hostile:
    return page(f"<script>{text}</script>", *ends, **params)


def post(mib: int) -> Hostile:
    """A large POST. If advertisements are blocked, the browser reports each request to the engine, with its body."""
    send = f"fetch('/nowhere', {{method: 'POST', body: 'x'.repeat({mib} << 20)}})"
    return script(send, *LARGE_POST, block_ads="true", delay=3000)


def served(body: str | bytes | Callable[[], bytes], *ends: End, **serving: Any) -> Hostile:
    return Hostile(body, ends, serving=serving)


def hostile_pages() -> dict[str, Hostile]:
    return {
        "alert, confirm, prompt": script("for (const ask of [alert, confirm, prompt]) ask('?')", PICTURE),
        "while (true)": script("while (true);", PICTURE),
        "while (true), again and again": script(
            "setInterval(() => { while (true); })", PICTURE, NOT_DRAWN, BUSY, TOO_SLOW
        ),
        "200 busy workers": script(
            "const code = URL.createObjectURL(new Blob(['while (true);'])); for (let n = 0; n < 200; n++) new Worker(code)",
            TOO_SLOW,  # the page cannot be closed within a second either, so the browser is killed
            BUSY,
            SILENT,  # on a loaded machine
        ),
        "reload loop": script("location.reload()", *RELOADING),
        "meta refresh loop": page("<meta http-equiv=refresh content=0>", *RELOADING),
        "never answers": served("", SILENT, gate=threading.Event()),
        "never finishes": served("<!doctype html><p>" + "x" * 4000, PICTURE, endless=True),
        "drips": served("<!doctype html><p>" + "x" * 4000, PICTURE, drips=True),
        "40 MiB of text": served(lambda: b"all work and no play " * (2 << 20), *GREEDY, content_type="text/plain"),
        "gzip of 200 MB": served(
            lambda: gzip.compress(b"<p>x" * (50 << 20), 1), *GREEDY, headers={"Content-Encoding": "gzip"}
        ),
        "2 GB of typed arrays": script(
            "const all = []; for (let n = 0; n < 128; n++) all.push(new Uint8Array(16 << 20).fill(1))",
            *GREEDY,
            delay=1000,
        ),
        "2 GB of blobs": script(
            "const all = []; setInterval(() => all.push(new Blob([new Uint8Array(40 << 20).fill(1)])), 10)",
            *GREEDY,
            delay=1500,
        ),
        "POST of 130 MiB": post(130),
        "100,000 px tall": page("<div style='height: 100000px'>x</div>", *LARGE, full_page="true"),
        "noise of 26 MiB": script(
            "const canvas = document.createElement('canvas'); Object.assign(canvas, {width: 3840, height: 2350});"
            "const draw = canvas.getContext('2d'), image = draw.createImageData(canvas.width, canvas.height);"
            "const noise = new Uint32Array(image.data.buffer); let x = 1; for (let n = 0; n < noise.length; n++) {"
            "x ^= x << 13; x ^= x >>> 17; x ^= x << 5; noise[n] = x | 0xff000000 } draw.putImageData(image, 0, 0);"
            "document.body.style.margin = 0; canvas.style.display = 'block'; document.body.append(canvas)",
            TOO_LARGE,
            TOO_SLOW,
            SILENT,  # on a loaded machine
            width=3840,
            height=2160,
            full_page="true",
        ),
        "endless downloads": Hostile(
            "<!doctype html><script>async function load() { for (;;) await "
            "fetch(location.pathname + '-part', {cache: 'no-store'}).then(answer => answer.blob()) } load(); load()</script>",
            GREEDY,
            part=32,
        ),
        "3,000 connections": script("for (let n = 0; n < 3000; n++) fetch('/nowhere?' + n).catch(() => 0)", PICTURE),
        "an observer that never returns": page(  # from what the engine does to a broken image
            "<img src=/nowhere.png><script>new MutationObserver(() => { while (true); })"
            ".observe(document, {attributes: true, subtree: true})</script>",
            PICTURE,
            BUSY,
        ),
        "50 pop-ups": script("for (let n = 0; n < 50; n++) open('/popup')", PICTURE, delay=300),
        "download": served(b"x" * 1000, DOWNLOAD, content_type="application/octet-stream"),
        "PDF": served(b"%PDF-1.4\n%%EOF", BAD_PDF, DOWNLOAD, content_type="application/pdf"),
        "204": served("", NO_DOCUMENT, status=204),
        "refused port": served("", BLOCKED, status=302, headers={"Location": "http://93.184.216.34:8080/"}),
        "bad TLS": Hostile("", (BAD_TLS,), tls=True),
        "401": served("who are you?", REFUSED, status=401, headers={"WWW-Authenticate": "Basic"}),
    }


@dataclass(frozen=True)
class Measured:
    """The engine's answer, its seconds, and the peak of resident memory in MiB, of the engine and its browsers together."""

    answer: Response
    seconds: float
    peak: int

    @property
    def end(self) -> End:
        return _end(self.answer)

    def row(self, name: str) -> str:
        """Write a line of the table in docs/security-figures.md."""
        return f"| {name} | {self.end.outcome} | {self.seconds:.1f} | {self.peak} |"


def measure_all(engine: Engine, site: Site) -> Iterator[tuple[str, Measured]]:
    """Capture the pages, one at a time."""
    for number, (name, hostile) in enumerate(hostile_pages().items()):
        yield name, measure(engine, hostile, hostile.serve(site, f"/hostile-{number}"))


def measure(engine: Engine, hostile: Hostile, url: str) -> Measured:
    peak, ended = [_resident(engine)], threading.Event()
    watch = threading.Thread(target=_watch, args=(engine, peak, ended))
    watch.start()
    try:
        started = time.monotonic()
        answer = engine.capture(url, timeout=60, **hostile.params)
        return Measured(answer, time.monotonic() - started, peak[0] >> 20)
    finally:
        ended.set()
        watch.join()


def _end(answer: Response) -> End:
    if answer.status_code == 200:
        return PICTURE
    error = answer.json()
    return End(error["error"], error["message"])


def _watch(engine: Engine, peak: list[int], ended: threading.Event) -> None:
    while not ended.wait(0.1):
        peak[0] = max(peak[0], _resident(engine))


def _resident(engine: Engine) -> int:
    """Sum up the resident bytes of the engine's process and all of its browsers."""
    return sum(map(_resident_of, [engine.process.pid, *group_members(*engine.browser_pids)]))


def _resident_of(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_SIZE
    except OSError:
        return 0
