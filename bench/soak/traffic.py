"""Honest traffic: visitors by Zipf's law, new pages at a bounded rate, programs, imports, recaptures and purges.

Requests are sent by the clock and not when the one before has been answered, so that a slow service gets no less of them.
"""

import asyncio
import csv
import io
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from bench.pictures import SEED
from bench.soak.verdict import Fault
from demo.sites import COUNT

VISITOR_SECONDS = 1 / 40
COLD_SECONDS, MOST_COLD = 1.5, 2  # new pages: one so often, and no more at a time
STATE_SECONDS, JOB_SECONDS, PURGE_SECONDS = 2, 10, 30
IMPORT_SECONDS, IMPORTED = 60, 4  # each kind of work comes twice before growth is judged, as first times take memory
KNOWN_BY = 0.4  # of a run: then no page is new, so what is kept for each has been kept before growth is judged
VISITORS = 500  # with an address each
MOST_AT_ONCE = 200  # of visitors; more than a service that answers ever has
CONDITIONAL = 0.5  # of the repeated requests
JOB_PATIENCE = 150  # seconds; a killed worker's job is due again
TIMEOUT = aiohttp.ClientTimeout(total=90)
# The sizes and formats that each page is shown in, by the visitor.
FORMS = ({"w": 320}, {"w": 640, "format": "webp"}, {"w": 320, "format": "webp"})
NO_ANSWER = 0
HELD_BACK = "held back"
OK = {200, 201, 202, 304}


def pages_of(seconds: float) -> int:
    """Return how many pages are known by KNOWN_BY of a run of so many seconds."""
    return max(int(seconds * KNOWN_BY / COLD_SECONDS), 1)


@dataclass(frozen=True)
class Answer:
    """One answer: when it came (seconds since the start), after how long, and what it was."""

    time: float
    seconds: float
    state: str  # HIT, STALE, MISS, 304 …, or what else was asked: JSON, jobs, imports, purges


@dataclass
class Traffic:
    """What clients do, and what they got."""

    url: str
    demo: str
    clock: Path  # of the demo server
    began: float
    pages: int  # how many are asked for
    answers: list[Answer] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    lost_jobs: list[str] = field(default_factory=list)
    _known: list[int] = field(default_factory=list)
    _etags: dict[tuple[int, int], str] = field(default_factory=dict)
    _random: random.Random = field(default_factory=lambda: random.Random(SEED))

    def now(self) -> float:
        return time.monotonic() - self.began

    async def run(self) -> None:
        """Ask until cancelled. Each kind of client has a pace of its own."""
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=2)  # the service's is 5 s
        async with (
            aiohttp.ClientSession(connector=connector, timeout=TIMEOUT) as self._http,
            asyncio.TaskGroup() as self._clients,
        ):
            for client in (
                self._every(VISITOR_SECONDS, self._visit, MOST_AT_ONCE),
                self._every(COLD_SECONDS, self._discover, MOST_COLD),
                self._every(STATE_SECONDS, self._ask_state, MOST_COLD),
                self._every(JOB_SECONDS, self._job, 20),
                self._every(PURGE_SECONDS, self._purge, 1),
                self._every(IMPORT_SECONDS, self._import, 1),
            ):
                self._clients.create_task(client)

    async def _every(self, seconds: float, ask: Callable[[], Awaitable[None]], most: int) -> None:
        """Start a request every `seconds`, unless `most` are open: those are counted as held back."""
        running: set[asyncio.Task] = set()
        due = time.monotonic()
        while True:
            if len(running) < most:
                task = self._clients.create_task(ask())
                running.add(task)
                task.add_done_callback(running.discard)
            else:
                self.counts[f"{ask.__name__.strip('_')} {HELD_BACK}"] += 1
            due = max(due + seconds, time.monotonic() - 1)  # what a busy machine missed is not made up for at once
            await asyncio.sleep(max(due - time.monotonic(), 0))

    async def _visit(self) -> None:
        if not self._known:
            return
        rank = int(len(self._known) ** self._random.random())  # Zipf's law with exponent 1, by the inverse of its sum
        page = self._known[rank - 1]
        form = self._random.randrange(len(FORMS))
        etag = self._etags.get((page, form))
        headers = {"If-None-Match": etag} if etag and self._random.random() < CONDITIONAL else {}
        answer = await self._ask("GET", "/thumb", params=self._query(page, form), headers=headers)
        if answer and "ETag" in answer.headers:
            self._etags[page, form] = answer.headers["ETag"]

    async def _discover(self) -> None:
        """Ask for a page that is not known yet; or, when all are, for a new picture of one."""
        asked, page = divmod(self.counts["pages"], self.pages)
        self.counts["pages"] += 1
        fresh = {"fresh": "1"} if asked else {}
        answer = await self._ask("GET", "/thumb", params=self._query(page, page % len(FORMS)) | fresh)
        if answer and answer.status == 200 and page not in self._known:
            self._known.append(page)

    async def _ask_state(self) -> None:
        if self._known:
            page = self._random.choice(self._known)
            await self._ask(
                "GET", "/thumb", "JSON", params=self._query(page, 0), headers={"Accept": "application/json"}
            )

    async def _job(self) -> None:
        """Create a job and wait for its end. A service that refuses it has promised nothing."""
        url = self._page(self._random.randrange(self.pages)) + "&job"
        body = await self._json("POST", "/screenshots", "job", json={"url": url, "width": 640, "height": 400})
        if not body:
            return
        self.counts["jobs"] += 1
        end = time.monotonic() + JOB_PATIENCE
        state = "unknown"
        while time.monotonic() < end:
            await asyncio.sleep(2)
            found = await self._json("GET", f"/jobs/{body['job_id']}", "job")
            state = found["status"] if found else state
            if state == "completed":
                self.counts["jobs completed"] += 1
                return
            if state == "failed":
                break
        self.lost_jobs.append(f"{self.now():.0f} s: {body['job_id']} is {state}: {found and found['error']}")

    async def _purge(self) -> None:
        if self._known:
            page = self._known[-1 - self._random.randrange(min(len(self._known), 20))]
            await self._ask("POST", "/purge", "purge", json={"url": self._page(page)}, local=True)

    async def _import(self) -> None:
        """Import some sites, have those of the last import captured again, and let the demo pages change."""
        number = self.counts["imports"]
        self.counts["imports"] += 1
        found = await self._json("GET", "/sites", "sites", params={"tag": f"import-{number - 1}"}, local=True)
        for site in (found or {"sites": []})["sites"]:
            await self._ask("POST", f"/sites/{site['id']}/capture", "sites", local=True)
        self.clock.write_text(f"{number}", encoding="utf-8")
        text = io.StringIO()
        rows = csv.writer(text)
        rows.writerow(("url", "title", "tags", "schedule"))
        first = number * IMPORTED
        rows.writerows(
            (f"{self.demo}/sites/{page % COUNT}?import={page}", f"Site {page}", f"import-{number}", "hourly")
            for page in range(first, first + IMPORTED)
        )
        body = await self._json("POST", "/sites/import?kind=csv", "sites", data=text.getvalue().encode(), local=True)
        self.counts["sites imported"] += body["added"] if body else 0

    def _page(self, page: int) -> str:
        return f"{self.demo}/sites/{page % COUNT}?page={page}"

    def _query(self, page: int, form: int) -> dict[str, str]:
        return {"url": self._page(page)} | {name: str(value) for name, value in FORMS[form].items()}

    async def _json(self, method: str, path: str, what: str, **more: object) -> dict | None:
        answer = await self._ask(method, path, what, **more)
        return None if answer is None or answer.status not in OK else await answer.json()

    async def _ask(
        self,
        method: str,
        path: str,
        what: str = "",
        *,
        local: bool = False,
        headers: dict | None = None,
        **more: object,
    ) -> aiohttp.ClientResponse | None:
        """Send a request, and note its answer. Programs on the machine itself are `local`: they name no other client."""
        asked = self.now()
        number = self._random.randrange(VISITORS)
        client = {} if local else {"X-Forwarded-For": f"198.51.{100 + number // 250}.{number % 250 + 1}"}
        answer, code = None, NO_ANSWER
        with suppress(aiohttp.ClientError, TimeoutError, OSError):
            async with self._http.request(method, self.url + path, headers=client | (headers or {}), **more) as answer:
                await answer.read()
                code = answer.status
        error = answer.headers.get("X-Error-Code", "") if answer is not None and code else ""
        if code not in OK or error:
            if not error and code and "json" in answer.content_type:
                error = (await answer.json()).get("code", "")
            self.faults.append(Fault(asked, self.now(), f"{what or 'picture'}: {code or 'no answer'} {error}".strip()))
            return None if not code else answer
        state = what or ("304" if code == 304 else answer.headers.get("X-Cache", "?"))
        self.answers.append(Answer(self.now(), self.now() - asked, state))
        return answer
