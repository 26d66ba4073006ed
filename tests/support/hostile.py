"""Pages that hurt a browser which nobody looks after: each with the ends that a guarded one may come to.

Rows of the table in docs/security-figures.md: `tests/engine/page/test_hostile_table.py` holds their bounds, `bench/security.py`
prints what they cost. Both go through them one at a time, on an engine with the same `SETTINGS`.
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
# In seconds and MiB. 2 GB of arrays would be far above the limit, were it not for the watch.
DEADLINE, RENDERER_LIMIT, MEMORY_LIMIT = 5, 640, 1536
SETTINGS = {
    "ENGINE_DEADLINE": DEADLINE,
    "ENGINE_RENDERER_LIMIT": RENDERER_LIMIT,
    "ENGINE_MEMORY_LIMIT": MEMORY_LIMIT,
    "ENGINE_CONCURRENCY": 2,
    "ENGINE_FILTER_LISTS": ADS,
}
# What a loaded machine may add: a second to close the page in, a browser's start, turns at the processor.
MAX_SECONDS = DEADLINE + 10
# A browser above its limit is replaced, and finishes what it has under way: it is killed where that, too, takes as much
# as a renderer may. The rest is the engine's own process, the browser that takes over meanwhile, and what a page can
# grow by between two looks of the watch.
MAX_MIB = MEMORY_LIMIT + RENDERER_LIMIT + 1024


@dataclass(frozen=True)
class End:
    """An outcome, the engine's code for it where it is none to show, and the engine's reason."""

    outcome: str
    reason: str = ""


PICTURE = End("picture")
LATE = End("timeout", f"the capture took longer than {DEADLINE} s")
SILENT = End("timeout", "the page did not answer in time")
TOO_BIG = End("page_failed", "the page crashed or used too much memory")
UNDRAWN = End("page_failed", "the browser could not draw the page")
FLEETING = End("page_failed", "the page navigated during every attempt to take its picture")
BARE = End("timeout", "the page had nothing to show in time")
NO_DOCUMENT = End("page_failed", "the page could not be loaded: its answer had no content")
DOWNLOAD = End("page_failed", "the page is a download, not a document")
BAD_TLS = End("page_failed", "the page could not be loaded: ERR_SSL_PROTOCOL_ERROR")
REFUSED = End("page_refused", "the page answered 401")
BLOCKED = End("blocked_url", "url: the host is not a public address that may be captured")
TOO_LONG = End("page_failed", "the page sent too much data in one request or message")
CRASHED = End("unavailable", "the browser crashed during the capture: try again in a few seconds")
# Of a page that never stands still it is luck between which two documents it is looked at, and asked to be drawn.
RESTLESS = PICTURE, FLEETING, UNDRAWN, BARE, LATE
# These pages take all memory they can get. On a machine with other work it is luck whether the limit, the deadline, the
# crash of the browser or the picture comes first.
GREEDY = PICTURE, TOO_BIG, UNDRAWN, SILENT, BARE, LATE, CRASHED
POSTED = TOO_LONG, *GREEDY
# A machine with other work does not always draw so much within the deadline.
LARGE = PICTURE, UNDRAWN, LATE


@dataclass(frozen=True)
class Hostile:
    """What is served, how it is captured, and what may come of it. A large `body` is made when it is served."""

    body: str | bytes | Callable[[], bytes]
    ends: tuple[End, ...]
    params: Mapping[str, Any] = field(default_factory=dict)
    serving: Mapping[str, Any] = field(default_factory=dict)
    tls: bool = False

    def serve(self, site: Site, path: str) -> str:
        body = self.body() if callable(self.body) else self.body
        url = site.add(path, body, **self.serving) + "?token=s3cret"  # which no log may hold, however it ends
        return url.replace("http:", "https:") if self.tls else url


def page(inside: str, *ends: End, **params: Any) -> Hostile:
    return Hostile(f"<!doctype html><body style='background: green'>{inside}", ends, params)


def script(text: str, *ends: End, **params: Any) -> Hostile:
    return page(f"<script>{text}</script>", *ends, **params)


def post(mib: int) -> Hostile:
    """With advertisements blocked the browser tells the engine of each request, body and all."""
    send = f"fetch('/nowhere', {{method: 'POST', body: 'x'.repeat({mib} << 20)}})"
    return script(send, *POSTED, block_ads="true", delay=3000)


def served(body: str | bytes | Callable[[], bytes], *ends: End, **serving: Any) -> Hostile:
    return Hostile(body, ends, serving=serving)


def hostile_pages() -> dict[str, Hostile]:
    return {
        "alert, confirm, prompt": script("for (const ask of [alert, confirm, prompt]) ask('?')", PICTURE),
        "while (true)": script("while (true);", PICTURE),
        "while (true), again and again": script("setInterval(() => { while (true); })", LATE),
        "200 busy workers": script(
            "const code = URL.createObjectURL(new Blob(['while (true);'])); for (let n = 0; n < 200; n++) new Worker(code)",
            LATE,  # nor can it be closed in a second: the browser is killed
        ),
        "reload loop": script("location.reload()", *RESTLESS),
        "meta refresh loop": page("<meta http-equiv=refresh content=0>", *RESTLESS),
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
        "POST of 100 MiB": post(100),
        "POST of 130 MiB": post(130),
        "100,000 px tall": page("<div style='height: 100000px'>x</div>", *LARGE, full_page="true"),
        "50 pop-ups": script("for (let n = 0; n < 50; n++) open('/popup')", PICTURE, delay=300),
        "download": served(b"x" * 1000, DOWNLOAD, content_type="application/octet-stream"),
        "PDF": served(b"%PDF-1.4\n%%EOF", DOWNLOAD, content_type="application/pdf"),
        "204": served("", NO_DOCUMENT, status=204),
        "refused port": served("", BLOCKED, status=302, headers={"Location": "http://93.184.216.34:8080/"}),
        "bad TLS": Hostile("", (BAD_TLS,), tls=True),
        "401": served("who are you?", REFUSED, status=401, headers={"WWW-Authenticate": "Basic"}),
    }


@dataclass(frozen=True)
class Measured:
    """Seconds, and the most memory that the engine's and the browser's processes had resident together, in MiB."""

    end: End
    seconds: float
    peak: int

    def row(self, name: str) -> str:
        """As a line of the table in docs/security-figures.md."""
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
        return Measured(_end(answer), time.monotonic() - started, peak[0] >> 20)
    finally:
        ended.set()
        watch.join()


def _end(answer: Response) -> End:
    if answer.status_code == 200:
        return PICTURE
    told = answer.json()
    return End(told["error"], told["message"])


def _watch(engine: Engine, peak: list[int], ended: threading.Event) -> None:
    while not ended.wait(0.1):
        peak[0] = max(peak[0], _resident(engine))


def _resident(engine: Engine) -> int:
    """Bytes of the engine's own process and all of its browsers'."""
    return sum(map(_resident_of, [engine.process.pid, *group_members(*engine.browser_pids)]))


def _resident_of(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_SIZE
    except OSError:
        return 0
