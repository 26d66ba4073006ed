"""Pages that hurt a browser which nobody looks after: each with the outcomes that a guarded one may have.

Rows of the table in docs/security.md; `bench/security.py` prints what they cost.
"""

import gzip
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from requests import Response

from tests.support.engine import Engine, group_members
from tests.support.site import Site

PICTURE, FAILED, TIMEOUT = "picture", "page_failed", "timeout"
GONE = "unavailable"  # two such pages at a time are too much for the browser as a whole, which is replaced
PAGE_SIZE = 4096


@dataclass(frozen=True)
class Hostile:
    """What is served, how it is captured, and what may come of it; `url` for what is not on the site."""

    body: str | bytes
    outcomes: frozenset[str]
    params: Mapping[str, Any] = field(default_factory=dict)
    serving: Mapping[str, Any] = field(default_factory=dict)
    tls: bool = False

    def serve(self, site: Site, path: str) -> str:
        url = site.add(path, self.body, **self.serving)
        return url.replace("http:", "https:") if self.tls else url


def page(inside: str, *outcomes: str, **params: Any) -> Hostile:
    return Hostile(f"<!doctype html><body style='background: green'>{inside}", frozenset(outcomes), params)


def script(text: str, *outcomes: str, **params: Any) -> Hostile:
    return page(f"<script>{text}</script>", *outcomes, **params)


def served(body: str | bytes, *outcomes: str, **serving: Any) -> Hostile:
    return Hostile(body, frozenset(outcomes), serving=serving)


def hostile_pages() -> dict[str, Hostile]:
    return {
        "alert, confirm, prompt": script("for (const ask of [alert, confirm, prompt]) ask('?')", PICTURE),
        "while (true)": script("while (true);", PICTURE),
        "while (true), again and again": script("setInterval(() => { while (true); })", PICTURE, TIMEOUT),
        "200 busy workers": script(
            "const code = URL.createObjectURL(new Blob(['while (true);'])); for (let n = 0; n < 200; n++) new Worker(code)",
            PICTURE,
            FAILED,
            TIMEOUT,
        ),
        "reload loop": script("location.reload()", PICTURE, FAILED, TIMEOUT),
        "meta refresh loop": page("<meta http-equiv=refresh content=0>", PICTURE, FAILED, TIMEOUT),
        "never answers": served("", TIMEOUT, gate=threading.Event()),
        "never finishes": served("<!doctype html><p>" + "x" * 4000, PICTURE, endless=True),
        "40 MiB of text": served(
            b"all work and no play " * (2 << 20), PICTURE, FAILED, TIMEOUT, GONE, content_type="text/plain"
        ),
        "gzip of 200 MB": served(
            gzip.compress(b"<p>x" * (50 << 20)), PICTURE, FAILED, TIMEOUT, GONE, headers={"Content-Encoding": "gzip"}
        ),
        "2 GB of typed arrays": script(
            "const all = []; for (let n = 0; n < 128; n++) all.push(new Uint8Array(16 << 20).fill(1))",
            FAILED,
            GONE,
            delay=1000,
        ),
        "100,000 px tall": page("<div style='height: 100000px'>x</div>", PICTURE, full_page="true"),
        "50 pop-ups": script("for (let n = 0; n < 50; n++) open('/popup')", PICTURE, delay=300),
        "download": served(b"x" * 1000, FAILED, content_type="application/octet-stream"),
        "PDF": served(b"%PDF-1.4\n%%EOF", FAILED, content_type="application/pdf"),
        "204": served("", FAILED, status=204),
        "bad TLS": Hostile("", frozenset({FAILED}), tls=True),
        "401": served("who are you?", FAILED, status=401, headers={"WWW-Authenticate": "Basic"}),
    }


@dataclass(frozen=True)
class Measured:
    """Seconds, and the most memory that the browser's processes had resident together, in MiB."""

    outcome: str
    seconds: float
    peak: int


def measure(engine: Engine, hostile: Hostile, url: str) -> Measured:
    peak, ended = [0], threading.Event()
    watch = threading.Thread(target=_watch, args=(engine, peak, ended))
    watch.start()
    started = time.monotonic()
    answer = engine.capture(url, timeout=60, **hostile.params)
    seconds = time.monotonic() - started
    ended.set()
    watch.join()
    return Measured(outcome(answer), round(seconds, 2), peak[0] >> 20)


def outcome(answer: Response) -> str:
    return PICTURE if answer.status_code == 200 else answer.json()["error"]


def _watch(engine: Engine, peak: list[int], ended: threading.Event) -> None:
    while not ended.wait(0.05):
        peak[0] = max(peak[0], sum(_resident(pid) for group in engine.browser_pids for pid in group_members(group)))


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_SIZE
    except OSError:
        return 0
