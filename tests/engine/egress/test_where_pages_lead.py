"""Names with two answers, documents that redirect, a proxy that fails: the browser never reaches a refused destination.

The service is the engine's own, with the test's resolver and the test's connection to public addresses.
"""

import asyncio
import json
import re
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from engine.egress.gate import Stream
from engine.errors import BlockedURL, EngineError, PageFailed, ProxyFailed, ResolverBusy
from tests.engine.page.test_options import body
from tests.support.inprocess import Service, running_service
from tests.support.proxy import PUBLIC
from tests.support.site import Site

CORPUS = Path(__file__).parents[2] / "data" / "ssrf-corpus.tsv"


@dataclass
class Case:
    """A line of class `egress:*`: a good URL that leads to a refused destination."""

    url: str
    answers: list[list[str]]
    location: str | None

    @classmethod
    def read(cls, line: str) -> "Case":
        url, _, _, note = line.split("\t")
        words = dict(word.split("=", 1) for word in note.split() if "=" in word)
        answers = [answer.split(",") for answer in words["dns"].split(";then=")]
        return cls(json.loads(f'"{url}"'), answers, words.get("location"))


CASES = [
    Case.read(line)
    for line in CORPUS.read_text(encoding="utf-8").splitlines()
    if "\tegress:" in line and line[0] != "#"
]


@dataclass
class Network:
    """Resolves names to its answers in order, and records dialled addresses. The one public address is the test's site."""

    site: Site
    answers: list[list[str]]
    asked: list[str] = field(default_factory=list)
    dialled: list[str] = field(default_factory=list)

    def lookup(self, name: str) -> Iterable[str]:
        self.asked.append(name)
        return self.answers[min(len(self.asked), len(self.answers)) - 1]

    async def connect(self, host: str, port: int) -> Stream:
        self.dialled.append(host)
        assert host == PUBLIC
        return await asyncio.open_connection(self.site.host, self.site.port)


class Lead:
    """One service for the tests that capture alone, each in a network of its own: a browser costs more than a capture."""

    def __init__(self) -> None:
        self.network: Network | None = None
        self._runner = asyncio.Runner()
        self._running = running_service(self._lookup, self._connect)
        self._service = self._runner.run(self._running.__aenter__())

    def outcome(self, network: Network, url: str) -> tuple[bytes | EngineError, Service]:
        self.network = network
        return self._runner.run(self._capture(url)), self._service

    def close(self) -> None:
        self._runner.run(self._running.__aexit__(None, None, None))
        self._runner.close()

    def _lookup(self, name: str) -> Iterable[str]:
        return self.network.lookup(name)

    async def _connect(self, host: str, port: int) -> Stream:
        return await self.network.connect(host, port)

    async def _capture(self, url: str) -> bytes | EngineError:
        try:
            return await self._service.capture(url)
        except EngineError as err:
            return err


@pytest.fixture(scope="module")
def lead() -> Iterator[Lead]:
    lead = Lead()
    yield lead
    lead.close()


@pytest.fixture
def quiet(site: Site) -> Site:
    site.requests.clear()
    return site


@pytest.mark.parametrize("case", [case for case in CASES if not case.location], ids=lambda case: case.url)
def test_a_target_is_looked_up_once_for_a_capture_and_a_second_answer_is_never_dialled(
    lead: Lead, quiet: Site, case: Case
):
    """Every connection of the capture goes to the addresses that were judged before it."""
    quiet.add("/", body("green", "<img src=/a.png><script src=/b.js></script>"))
    network = Network(quiet, case.answers)
    result, service = lead.outcome(network, case.url)
    assert isinstance(result, bytes)
    assert len(network.asked) == 1
    assert set(network.dialled) == {PUBLIC}
    assert service.traffic.refused == {}


@pytest.mark.parametrize("case", [case for case in CASES if not case.location], ids=lambda case: case.url)
def test_the_second_answer_of_a_name_inside_a_page_is_refused(lead: Lead, quiet: Site, case: Case):
    """Any other host or port than the target's own is looked up for each connection."""
    quiet.add("/", status=302, headers={"Location": "http://rebind.example.com/"})
    network = Network(quiet, case.answers)
    result, service = lead.outcome(network, case.url)
    assert isinstance(result, BlockedURL)
    assert network.asked[1:] == ["rebind.example.com"]
    assert network.dialled == [PUBLIC]
    assert service.traffic.refused == {"loopback": 1}


@pytest.mark.parametrize("case", [case for case in CASES if case.location], ids=lambda case: case.location)
def test_a_redirect_to_a_refused_destination_fails_the_capture(lead: Lead, quiet: Site, case: Case):
    path = "/" + case.url.partition("example.com")[2].removeprefix("/")
    quiet.add(path, status=302, headers={"Location": case.location})
    network = Network(quiet, case.answers)
    result, service = lead.outcome(network, case.url)
    if case.location.startswith("gopher:"):  # Chromium knows no such scheme: there is no connection to refuse
        assert isinstance(result, PageFailed)
        assert service.traffic.refused == {}
    else:
        assert isinstance(result, BlockedURL)
        assert service.traffic.refused.total() == 1
    assert network.dialled == [PUBLIC]
    assert quiet.hits(path) == 1


def test_a_failed_look_up_after_a_redirect_is_a_blocked_url_too(lead: Lead, quiet: Site):
    """Different codes for private and for unknown names would let a client map the internal network."""
    quiet.add("/away", status=302, headers={"Location": "http://unknown.example.com/"})
    result, _ = lead.outcome(Network(quiet, [[PUBLIC], []]), "http://known.example.com/away")
    assert isinstance(result, BlockedURL)


def test_names_that_hang_do_not_turn_a_good_name_into_a_blocked_url(quiet: Site):
    quiet.add("/", body("green"))
    network, go_on = Network(quiet, [[PUBLIC]]), threading.Event()

    def lookup(name: str) -> Iterable[str]:
        if name.startswith("hangs"):
            go_on.wait(20)
        return network.lookup(name)

    async def capture() -> list[object]:
        async with running_service(lookup, network.connect) as service:
            hanging = [asyncio.create_task(service.capture(f"http://hangs-{n}.example.com/")) for n in range(64)]
            results = await asyncio.gather(service.capture("http://good.example.com/"), return_exceptions=True)
            results += await asyncio.gather(*hanging, return_exceptions=True)
            go_on.set()
            while network.asked.count("hangs-63.example.com") == 0:  # noqa: ASYNC110 - other threads' list
                await asyncio.sleep(0.01)
            return [await service.capture("http://good.example.com/"), *results]

    try:
        later, good, *others = asyncio.run(capture())
    finally:
        go_on.set()
    assert isinstance(good, ResolverBusy)
    assert {type(other) for other in others} == {BlockedURL}
    assert isinstance(later, bytes)


@pytest.mark.parametrize("failure", [ConnectionRefusedError(111, "refused"), OSError(113, "no route"), TimeoutError()])
def test_an_unreachable_site_is_a_page_failure_with_its_reason(lead: Lead, quiet: Site, failure: OSError):
    network = Network(quiet, [[PUBLIC]])

    async def connect(host: str, port: int) -> Stream:
        raise failure

    network.connect = connect
    result, _ = lead.outcome(network, "http://down.example.com/")
    assert isinstance(result, PageFailed)
    assert re.search(r"\(ERR_[A-Z_]+\)$", str(result))


def end_in_the_middle(site: Site, path: str, url: str) -> tuple[object, int]:
    """Capture `url`, close its proxy as soon as `path` is requested, then capture another page."""
    network = Network(site, [[PUBLIC]])

    async def capture() -> tuple[object, int]:
        async with running_service(network.lookup, network.connect) as service:
            capturing = asyncio.create_task(service.capture(url))
            while not site.hits(path):  # noqa: ASYNC110 - another thread's list
                await asyncio.sleep(0.01)
            await service.end_proxies()
            (result,) = await asyncio.gather(capturing, return_exceptions=True)
            hits = len(site.requests)
            site.add("/", body("green"))
            assert await service.capture("http://next.example.com/")
            return result, hits

    return asyncio.run(capture())


def test_a_proxy_that_fails_before_the_document_makes_the_capture_unavailable(quiet: Site):
    quiet.add("/waits", gate=threading.Event())
    result, hits = end_in_the_middle(quiet, "/waits", "http://cut.example.com/waits")
    assert isinstance(result, ProxyFailed)
    assert hits == 1


def test_a_proxy_that_fails_during_the_page_makes_the_capture_unavailable_too(quiet: Site):
    quiet.add("/slow.png", gate=threading.Event())
    quiet.add("/never.png")
    later = "<img src=/slow.png onerror='new Image().src = \"/never.png\"'>"
    quiet.add("/page", body("green", later))
    result, hits = end_in_the_middle(quiet, "/slow.png", "http://cut.example.com/page")
    assert isinstance(result, ProxyFailed)
    assert hits == 2
    assert quiet.hits("/never.png") == 0
