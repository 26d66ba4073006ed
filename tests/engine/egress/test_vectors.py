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
from tests.support.vectors import VECTORS
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
    """The result of one page: the engine's answer, the proxy's refusals, and the victim."""

    answer: Response
    refused: dict[str, int]
    victim: Victim


@pytest.fixture(scope="module")
def victims() -> Iterator[list[Victim]]:
    with running_victims(len(VECTORS)) as running:
        yield running


@pytest.fixture(scope="module", params=["namespace", "flags"])
def isolation(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def attacks(isolation: str, site: Site, victims: list[Victim]) -> dict[str, Attack]:
    """The victims' ports are allowed, so only their address is refused.

    With the flags alone, advertisements are blocked and the caller adds to the page what it can: then the engine sees each
    request, and lets these pass.
    """
    ports = ",".join(str(victim.port) for victim in victims)
    pages = {
        name: (vector.serve(site, name, victim.address), victim)
        for (name, vector), victim in zip(VECTORS.items(), victims, strict=True)
    }
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
            return dict(
                zip(
                    pages,
                    pool.map(lambda name: attack(engine, name, *pages[name], isolation == "flags"), pages),
                    strict=True,
                )
            )


def attack(engine: Engine, name: str, url: str, victim: Victim, added: bool) -> Attack:
    request_id = f"vector-{name}"
    params = {"url": url, "wait_for": "#done"} | SMALL | (ADDED if added else {})
    answer = engine.post("/v1/screenshot", json=params, headers={"X-Request-ID": request_id})
    (event,) = eventually(lambda: [e for e in engine.logged("capture") if e["request_id"] == request_id])
    return Attack(answer, event["traffic"]["refused"], victim)


def test_there_are_43_vectors():
    assert len(VECTORS) == 43


@pytest.mark.parametrize("name", VECTORS)
def test_the_victim_is_not_hit(attacks: dict[str, Attack], name: str):
    assert attacks[name].victim.hits == []


@pytest.mark.parametrize("name", VECTORS)
def test_the_proxy_refuses_every_attempt_of_the_page(attacks: dict[str, Attack], isolation: str, name: str):
    refused = set(attacks[name].refused)
    if (isolation, name) in SELDOM:
        assert refused <= {"loopback"}
    else:
        assert refused == (set() if name in UNTRIED else {"loopback"})


@pytest.mark.parametrize("name", [name for name, vector in VECTORS.items() if vector.leaves])
def test_a_page_that_navigates_to_the_victim_is_a_blocked_url(attacks: dict[str, Attack], name: str):
    answer = attacks[name].answer
    assert (answer.status_code, answer.json()["error"]) == (400, "blocked_url")


@pytest.mark.parametrize("name", [name for name, vector in VECTORS.items() if not vector.leaves])
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
