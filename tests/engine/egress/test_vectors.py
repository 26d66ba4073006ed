"""Every way in which a page can send requests, on the real engine: none reaches loopback, in either isolation."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from requests import Response

from tests.support.engine import Engine, eventually, running_engine
from tests.support.hostile import ADS
from tests.support.site import Site
from tests.support.unguarded import hits_of
from tests.support.vectors import SHARED, STAYING, VECTORS, together
from tests.support.victims import Victim, running_victims

# The browser does not even try these: it closes pop-ups, its WebRTC policy forbids UDP, and QUIC is off. The proxy
# refuses all others. In the namespace WebRTC sees no network interface and seldom tries.
UNTRIED = {"window-open", "webtransport", "stun"}
SELDOM = {("namespace", "turn")}
SMALL = {"width": 320, "height": 240, "format": "jpeg"}  # the tests do not inspect these pictures

ADDED = {
    "block_ads": True,
    "headers": {"X-Key": "s3cret", "Referer": "http://127.0.0.1/"},
    "cookies": [{"name": "a", "value": "s3cret"}],
    "css": "p { color: red }",
    "js": "document.title = 's3cret'",
    "scroll_y": 9,
    "clip": [0, 0, 9, 9],
}


@dataclass(frozen=True)
class Attack:
    """The result of one page: the vectors in it, the engine's answer, and the proxy's refusals."""

    names: tuple[str, ...]
    answer: Response
    refused: dict[str, int]


@pytest.fixture(scope="module")
def victims() -> Iterator[list[Victim]]:
    with running_victims(len(VECTORS)) as running:
        yield running


@pytest.fixture(scope="module")
def victim_of(victims: list[Victim]) -> dict[str, Victim]:
    return dict(zip(VECTORS, victims, strict=True))


@pytest.fixture(scope="module", params=["namespace", "flags"])
def isolation(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def attacks(isolation: str, site: Site, victim_of: dict[str, Victim]) -> dict[str, Attack]:
    """The victims' ports are allowed, so only their address is refused.

    With the flags alone, advertisements are blocked and the caller adds to the page what it can: then the engine sees each
    request, and lets these pass. In the namespace, vectors that stay on the page share pages.
    """
    ports = ",".join(str(victim.port) for victim in victim_of.values())
    pages = {(name,): vector.serve(site, name, victim_of[name].address) for name, vector in VECTORS.items()}
    if isolation == "namespace":
        pages = {names: url for names, url in pages.items() if names[0] not in STAYING}
        for number, names in enumerate(SHARED):
            page = together(site, {name: victim_of[name].address for name in names})
            pages[names] = site.add(f"/vectors-{number}", page)
    with running_engine(
        PRIVATE_TARGETS=site.address,
        ALLOWED_PORTS=ports,
        ENGINE_ISOLATION=isolation,
        ENGINE_FILTER_LISTS=ADS,
        ENGINE_CONCURRENCY=4,
    ) as engine:
        assert engine.health()["isolation"] == isolation
        own, browser = (Path(f"/proc/{pid}/ns/net").readlink() for pid in ("self", engine.browser_pids[0]))
        assert (own == browser) == (isolation == "flags")
        with ThreadPoolExecutor(4) as pool:
            results = pool.map(lambda names: attack(engine, names, pages[names], isolation == "flags"), pages)
            return {name: each for each in results for name in each.names}


def attack(engine: Engine, names: tuple[str, ...], url: str, added: bool) -> Attack:
    request_id = f"vector-{names[0]}"
    params = {"url": url, "wait_for": "#done"} | SMALL | (ADDED if added else {})
    answer = engine.post("/v1/screenshot", json=params, headers={"X-Request-ID": request_id})
    (event,) = eventually(lambda: [e for e in engine.logged("capture") if e["request_id"] == request_id])
    return Attack(names, answer, event["traffic"]["refused"])


def test_there_are_43_vectors():
    assert len(VECTORS) == 43


@pytest.mark.parametrize("name", VECTORS)
def test_the_victim_is_not_hit(attacks: dict[str, Attack], victim_of: dict[str, Victim], name: str):
    assert victim_of[name].hits == []


@pytest.mark.parametrize("name", VECTORS)
def test_the_proxy_refuses_every_attempt_of_the_page(attacks: dict[str, Attack], isolation: str, name: str):
    names, refused = attacks[name].names, attacks[name].refused
    tried = [each for each in names if each not in UNTRIED and (isolation, each) not in SELDOM]
    assert set(refused) <= {"loopback"}
    assert refused.get("loopback", 0) >= len(tried)
    assert refused == {} or any(each not in UNTRIED for each in names)


@pytest.mark.parametrize("name", [name for name, vector in VECTORS.items() if vector.leaves])
def test_a_page_that_navigates_to_the_victim_is_a_blocked_url(attacks: dict[str, Attack], name: str):
    answer = attacks[name].answer
    assert (answer.status_code, answer.json()["error"]) == (400, "blocked_url")


@pytest.mark.parametrize("name", STAYING)
def test_a_refused_request_inside_a_page_does_not_fail_the_capture(attacks: dict[str, Attack], name: str):
    assert attacks[name].answer.status_code == 200, attacks[name].answer.text


def test_without_the_guard_every_vector_hits_its_victim(site: Site):
    """The control: every vector works, and its victim detects it."""
    with running_victims(len(VECTORS)) as victims:
        pages = {
            name: (vector.serve(site, name, victim.address), victim)
            for (name, vector), victim in zip(VECTORS.items(), victims, strict=True)
        }
        hits = asyncio.run(hits_of(pages))
    assert [name for name, seen in hits.items() if not seen] == []
