"""The load of `make chaos`: honest clients and a greedy one, and what they got, by the event during which they asked."""

import io
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count

import requests
from PIL import Image

from tests.support.site import Site

SIZE = {"width": 400, "height": 300, "format": "png"}
HONEST = ("198.51.100.1", "198.51.100.2", "198.51.100.3")
GREEDY = "203.0.113.9"
PROBE = "192.0.2.5"
KNOWN_PAUSE = 0.15
NEW_PAUSE = 3
JOB_PAUSE = 4
GREEDY_THREADS = 4
TIMEOUT = 90  # seconds; longer than any deadline of the service


@dataclass(frozen=True)
class Page:
    url: str
    colour: tuple[int, int, int]


class Pages:
    """Makes pages, each of its own colour."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._numbers = count(1)

    def new(self) -> Page:
        number = next(self._numbers)
        # An odd factor permutes the 24 bits, so that no two pages share a colour and neighbours differ much.
        red, green, blue = (number * 0x9E3779 & 0xFFFFFF).to_bytes(3, "big")
        body = f"<body style='margin:0;background:rgb({red},{green},{blue})'><p style='margin:0'>Page {number}"
        return Page(self._site.add(f"/{number}", body), (red, green, blue))


@dataclass(frozen=True)
class Job:
    id: str
    page: Page
    event: str


@dataclass
class Tally:
    """What clients got. Keys are `(event, what)`."""

    event: str = "before"
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)  # of new captures, by status and code
    jobs: list[Job] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, event: str, what: str) -> None:
        with self.lock:
            self.counts[event, what] += 1

    def note(self, event: str, text: str) -> None:
        with self.lock:
            self.notes.append(f"{event}: {text}")


class Service:
    """The service as clients see it."""

    def __init__(self, url: str, tally: Tally) -> None:
        self._url = url
        self._tally = tally

    def ready(self) -> dict[str, object] | None:
        """Return what `/ready` says, or None unless it is ready."""
        try:
            answer = requests.get(f"{self._url}/ready", timeout=10)
        except requests.RequestException:
            return None
        return answer.json() if answer.ok else None

    def known(self, page: Page, client: str, **options: object) -> None:
        status, _, event = self._picture(page, client, options)
        self._tally.add(event, "known asked")
        if status >= 500:
            self._tally.add(event, "known 5xx")

    def capture(self, page: Page, client: str, whose: str) -> bool:
        """Request a picture that is not known. Return whether it came."""
        status, code, event = self._picture(page, client)
        self._tally.add(event, f"{whose} asked")
        with self._tally.lock:
            self._tally.outcomes[event, f"{whose} {status} {code}".rstrip()] += 1
        if status == 200:
            self._tally.add(event, f"{whose} captured")
        return status == 200

    def create_job(self, page: Page, client: str) -> Job | None:
        event = self._tally.event
        body = {"url": page.url} | SIZE
        try:
            answer = requests.post(f"{self._url}/screenshots", json=body, headers=_of(client), timeout=TIMEOUT)
        except requests.RequestException as err:
            self._tally.note(event, f"a job was not answered: {err!r}")
            return None
        if answer.status_code != 202:
            self._tally.add(event, "jobs refused")
            return None
        job = Job(answer.json()["job_id"], page, event)
        with self._tally.lock:
            self._tally.jobs.append(job)
        return job

    def state_of(self, job: Job) -> str:
        try:
            answer = requests.get(f"{self._url}/jobs/{job.id}", headers=_of(PROBE), timeout=TIMEOUT)
        except requests.RequestException as err:
            return repr(err)
        if not answer.ok:
            return f"{answer.status_code}"
        found = answer.json()
        return found["status"] + (f" ({found['error']['code']})" if found["error"] else "")

    def shows(self, job: Job) -> bool:
        """Return whether the picture of a completed job is that of its page."""
        answer = requests.get(f"{self._url}/jobs/{job.id}/image", headers=_of(PROBE), timeout=TIMEOUT)
        return answer.ok and _colour(answer.content) == job.page.colour

    def _picture(self, page: Page, client: str, options: dict[str, object] | None = None) -> tuple[int, str, str]:
        """Return the status, the code of an error, and the event at the time of the answer.

        The status is 599 if no answer came. A picture of another page is noted.
        """
        query = {"url": page.url} | SIZE | (options or {})
        try:
            answer = requests.get(f"{self._url}/thumb", query, headers=_of(client), timeout=TIMEOUT)
        except requests.RequestException as err:
            self._tally.note(self._tally.event, f"no answer: {err!r}")
            return 599, "", self._tally.event
        event = self._tally.event
        if answer.status_code != 200:
            return answer.status_code, answer.headers.get("X-Error-Code") or _code(answer), event
        if _colour(answer.content) != page.colour:
            self._tally.add(event, "wrong")
            self._tally.note(event, f"{page.url} is {_colour(answer.content)}, not {page.colour}: {answer.headers}")
        return 200, "", event


def _of(client: str) -> dict[str, str]:
    return {"X-Forwarded-For": client}


def _code(answer: requests.Response) -> str:
    try:
        return str(answer.json().get("code", ""))
    except ValueError:
        return ""


def _colour(body: bytes) -> tuple[int, ...]:
    with Image.open(io.BytesIO(body)) as image:
        return image.convert("RGB").getpixel((image.width // 2, image.height // 2))


@contextmanager
def steady_load(
    service: Service, pages: Pages, known: list[Page], greedy_pause: float, slower: float
) -> Iterator[None]:
    """Run the clients until the block ends. Each asks on, whatever it is answered.

    The pauses of all clients but the greedy one are `slower` times as long.
    """
    stopping = threading.Event()

    def repeat(pause: float, ask: Callable[[int], object]) -> threading.Thread:
        def run() -> None:
            for turn in count():
                ask(turn)
                if stopping.wait(pause):
                    return

        return threading.Thread(target=run)

    threads = []
    for start, name in enumerate(HONEST):
        threads += [
            repeat(KNOWN_PAUSE * slower, _ask_known(service, known, name, start)),
            repeat(NEW_PAUSE * slower, lambda _, name=name: service.capture(pages.new(), name, "honest")),
            repeat(JOB_PAUSE * slower, lambda _, name=name: service.create_job(pages.new(), name)),
        ]
    threads += [
        repeat(greedy_pause, lambda _: service.capture(pages.new(), GREEDY, "greedy")) for _ in range(GREEDY_THREADS)
    ]
    with ExitStack() as stack:
        for thread in threads:
            thread.start()
            stack.callback(thread.join)
        stack.callback(stopping.set)
        yield


def _ask_known(service: Service, known: list[Page], name: str, start: int) -> Callable[[int], None]:
    def ask(turn: int) -> None:
        size = {"w": 160} if turn % 2 else {}
        service.known(known[(start + turn) % len(known)], name, **size)

    return ask


def wait_for(condition: Callable[[], object], seconds: float, pause: float = 0.1) -> float | None:
    """Return the seconds until `condition` held, or None if it did not within `seconds`."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > seconds:
            return None
        time.sleep(pause)
    return time.monotonic() - began
