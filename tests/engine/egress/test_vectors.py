"""Every way out of a page, on the real engine: nothing on loopback hears of it, whatever keeps the browser in."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
from requests import Response

from tests.support.engine import Engine, eventually, running_engine
from tests.support.hostile import ADS
from tests.support.site import Site
from tests.support.unguarded import hits_of
from tests.support.vectors import VECTORS
from tests.support.victims import Victim, running_victims

# What is not even tried: the browser closes pop-ups, its WebRTC policy leaves nothing to send UDP from, and QUIC is
# off. The rest is refused by the proxy. In the namespace WebRTC sees no network interface and seldom tries at all.
UNTRIED = {"window-open", "webtransport", "stun"}
SELDOM = {("namespace", "turn")}


@dataclass(frozen=True)
class Attack:
    """What came of one page: the engine's answer, what the proxy refused, and who was hit."""

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
    """The victims' ports are allowed: their address is all that is wrong with them.

    With the flags alone advertisements are blocked besides: then each request goes by the engine, and none is refused.
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
        ENGINE_CONCURRENCY=2,
    ) as engine:
        assert engine.health()["isolation"] == isolation
        with ThreadPoolExecutor(2) as pool:
            return dict(
                zip(
                    pages,
                    pool.map(lambda name: attack(engine, name, *pages[name], isolation == "flags"), pages),
                    strict=True,
                )
            )


def attack(engine: Engine, name: str, url: str, victim: Victim, block_ads: bool) -> Attack:
    request_id = f"vector-{name}"
    params = {"url": url, "wait_for": "#done", "block_ads": block_ads}
    answer = engine.get("/v1/screenshot", params=params, headers={"X-Request-ID": request_id})
    (event,) = eventually(lambda: [e for e in engine.logged("capture") if e["request_id"] == request_id])
    return Attack(answer, event["traffic"]["refused"], victim)


def test_there_are_as_many_as_were_counted():
    assert len(VECTORS) == 43


@pytest.mark.parametrize("name", VECTORS)
def test_the_victim_is_not_hit(attacks: dict[str, Attack], name: str):
    assert attacks[name].victim.hits == []


@pytest.mark.parametrize("name", VECTORS)
def test_what_the_page_tries_the_proxy_refuses(attacks: dict[str, Attack], isolation: str, name: str):
    refused = set(attacks[name].refused)
    if (isolation, name) in SELDOM:
        assert refused <= {"loopback"}
    else:
        assert refused == (set() if name in UNTRIED else {"loopback"})


@pytest.mark.parametrize("name", [name for name, vector in VECTORS.items() if vector.leaves])
def test_a_page_that_goes_to_the_victim_itself_is_a_blocked_url(attacks: dict[str, Attack], name: str):
    answer = attacks[name].answer
    assert (answer.status_code, answer.json()["error"]) == (400, "blocked_url")


@pytest.mark.parametrize("name", [name for name, vector in VECTORS.items() if not vector.leaves])
def test_what_is_refused_inside_a_page_does_not_cost_the_picture(attacks: dict[str, Attack], name: str):
    assert attacks[name].answer.status_code == 200, attacks[name].answer.text


def test_without_the_guard_every_one_of_them_hits(site: Site):
    """The control: the pages do what they say, and the victims would have noticed."""
    with running_victims(len(VECTORS)) as victims:
        pages = {
            name: (vector.serve(site, name, victim.address), victim)
            for (name, vector), victim in zip(VECTORS.items(), victims, strict=True)
        }
        hits = asyncio.run(hits_of(pages))
    assert [name for name, seen in hits.items() if not seen] == []
