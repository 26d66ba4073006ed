"""Pages that hurt a browser which nobody looks after: each with the ends that a guarded one may come to.

Rows of the table in docs/security.md: `tests/engine/test_hostile_table.py` holds their bounds, `bench/security.py`
prints what they cost. Both go through them one at a time, on an engine with the same `SETTINGS`.
"""

import gzip
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from requests import Response

from tests.support.engine import Engine, group_members
from tests.support.site import Site

PAGE_SIZE = 4096
ADS = Path(__file__).parents[1] / "data" / "ads.txt"
# In seconds and MiB. 2 GB of arrays would be far above the limit, were it not for the watch.
SETTINGS = {"ENGINE_DEADLINE": 5, "ENGINE_RENDERER_LIMIT": 640, "ENGINE_MEMORY_LIMIT": 1536, "ENGINE_CONCURRENCY": 2}
# What a loaded machine may add: a second to close the page in, a browser's start, turns at the processor;
# and what a page can grow by between two looks of the watch.
MAX_SECONDS = SETTINGS["ENGINE_DEADLINE"] + 10
MAX_MIB = SETTINGS["ENGINE_MEMORY_LIMIT"] + 512


@dataclass(frozen=True)
class End:
    """An outcome, the engine's code for it where it is none to show, and the engine's reason."""

    outcome: str
    reason: str = ""


PICTURE = End("picture")
LATE = End("timeout", f"the capture took longer than {SETTINGS['ENGINE_DEADLINE']} s")
SILENT = End("timeout", "the page did not answer in time")
TOO_BIG = End("page_failed", "the page crashed or used too much memory")
UNDRAWN = End("page_failed", "the browser could not draw the page")
FLEETING = End("page_failed", "the page does not stay long enough for a picture")
BARE = End("timeout", "the page had nothing to show in time")
NO_DOCUMENT = End("page_failed", "the page could not be loaded: it answered without a document")
DOWNLOAD = End("page_failed", "the page is a download")
BAD_TLS = End("page_failed", "the page could not be loaded: ERR_SSL_PROTOCOL_ERROR")
REFUSED = End("page_failed", "the page answered 401")
# Of a page that never stands still it is luck between which two documents it is looked at, and asked to be drawn.
RESTLESS = PICTURE, FLEETING, UNDRAWN, BARE, LATE
# It takes all it can get. What ends it first, the limit or the time, is the processor's to say.
GREEDY = TOO_BIG, BARE, LATE


@dataclass(frozen=True)
class Hostile:
    """What is served, how it is captured, and what may come of it."""

    body: str | bytes
    ends: tuple[End, ...]
    params: Mapping[str, Any] = field(default_factory=dict)
    serving: Mapping[str, Any] = field(default_factory=dict)
    tls: bool = False

    def serve(self, site: Site, path: str) -> str:
        url = site.add(path, self.body, **self.serving) + "?token=s3cret"  # which no log may hold, however it ends
        return url.replace("http:", "https:") if self.tls else url


def page(inside: str, *ends: End, **params: Any) -> Hostile:
    return Hostile(f"<!doctype html><body style='background: green'>{inside}", ends, params)


def script(text: str, *ends: End, **params: Any) -> Hostile:
    return page(f"<script>{text}</script>", *ends, **params)


def served(body: str | bytes, *ends: End, **serving: Any) -> Hostile:
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
        "40 MiB of text": served(b"all work and no play " * (2 << 20), *GREEDY, content_type="text/plain"),
        "gzip of 200 MB": served(gzip.compress(b"<p>x" * (50 << 20)), *GREEDY, headers={"Content-Encoding": "gzip"}),
        "2 GB of typed arrays": script(
            "const all = []; for (let n = 0; n < 128; n++) all.push(new Uint8Array(16 << 20).fill(1))",
            TOO_BIG,
            delay=1000,
        ),
        "100,000 px tall": page("<div style='height: 100000px'>x</div>", PICTURE, full_page="true"),
        "50 pop-ups": script("for (let n = 0; n < 50; n++) open('/popup')", PICTURE, delay=300),
        "download": served(b"x" * 1000, DOWNLOAD, content_type="application/octet-stream"),
        "PDF": served(b"%PDF-1.4\n%%EOF", DOWNLOAD, content_type="application/pdf"),
        "204": served("", NO_DOCUMENT, status=204),
        "bad TLS": Hostile("", (BAD_TLS,), tls=True),
        "401": served("who are you?", REFUSED, status=401, headers={"WWW-Authenticate": "Basic"}),
    }


@dataclass(frozen=True)
class Measured:
    """Seconds, and the most memory that the browser's processes had resident together, in MiB."""

    end: End
    seconds: float
    peak: int

    def row(self, name: str) -> str:
        """As a line of the table in docs/security.md."""
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
    while not ended.wait(0.05):
        peak[0] = max(peak[0], _resident(engine))


def _resident(engine: Engine) -> int:
    """Bytes of all processes of the engine's browsers."""
    return sum(_resident_of(pid) for group in engine.browser_pids for pid in group_members(group))


def _resident_of(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_SIZE
    except OSError:
        return 0
