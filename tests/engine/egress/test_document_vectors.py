"""The 43 ways in which a page can send requests, as HTML that a caller sends to `/render`: none reaches loopback, with a network or without."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
import redis
from flask import Flask
from werkzeug.test import TestResponse

import services
from app import create_app
from config import Settings
from tests.support.engine import Engine, eventually, running_engine
from tests.support.redis import RedisServer
from tests.support.site import Site
from tests.support.unguarded import hits_of
from tests.support.vectors import SHARED, STAYING, VECTORS, together
from tests.support.victims import Victim, running_victims

# Without the namespace, the proxy alone stands between a document and loopback. The browser does not even try these.
ISOLATION = "flags"
UNTRIED = {"window-open", "webtransport", "stun"}
# Nor these, in a document without TLS: a page of 127.0.0.1, as those of tests/engine/egress/test_vectors.py, counts as secure.
UNTRIED |= {"speculation-prefetch", "service-worker-fetch", "service-worker-websocket"}
SMALL = {"width": 320, "height": 240, "format": "jpeg", "wait_for": "#done"}
SHOWN = "<p style='background: #f00'>shown"  # a document of one colour is looked at twice


@dataclass(frozen=True)
class Attack:
    """The result of one document: the vectors in it, the answer, the proxy's refusals, and its other connections."""

    names: tuple[str, ...]
    answer: TestResponse
    refused: dict[str, int]
    connections: int


@pytest.fixture(scope="module", params=[False, True], ids=["alone", "with a network"])
def network(request) -> bool:
    return request.param


@pytest.fixture(scope="module")
def victims() -> Iterator[list[Victim]]:
    with running_victims(len(VECTORS)) as running:
        yield running


@pytest.fixture(scope="module")
def engine(site: Site, victims: list[Victim]) -> Iterator[Engine]:
    """The victims' ports are allowed, so only their address is refused."""
    ports = ",".join(str(victim.port) for victim in victims)
    with running_engine(
        PRIVATE_TARGETS=site.address,
        ALLOWED_PORTS=ports,
        ENGINE_ISOLATION=ISOLATION,
        ENGINE_FILTER_LISTS="/nowhere.txt",
        ENGINE_CONCURRENCY=4,
    ) as running:
        yield running


@pytest.fixture(scope="module")
def web(engine: Engine, redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    with redis.Redis.from_url(redis_server.url) as client:
        client.flushall()
    folder = tmp_path_factory.mktemp("documents")
    settings = Settings.of(
        redis_url=redis_server.url,
        persist_dir=folder / "media",
        database_url=f"sqlite:///{folder}/thumbnails.db",
        originals="redis",
        capture_api="engine",
        capture_url=engine.url,
    )
    built = services.build(settings)
    yield create_app(built.settings, built)
    built.close()


@pytest.fixture(scope="module")
def victim_of(victims: list[Victim]) -> dict[str, Victim]:
    return dict(zip(VECTORS, victims, strict=True))


@pytest.fixture(scope="module")
def attacks(web: Flask, engine: Engine, site: Site, victim_of: dict[str, Victim], network: bool) -> dict[str, Attack]:
    def attack(names: tuple[str, ...]) -> Attack:
        id_ = f"document-{names[0]}-{network}"
        html = SHOWN + together(site, {name: victim_of[name].address for name in names})
        body = {"html": html, "network": network, **SMALL}
        answer = web.test_client().post("/render", json=body, headers={"X-Request-ID": id_})
        (event,) = eventually(lambda: [each for each in engine.logged("capture") if each["request_id"] == id_])
        traffic = event["traffic"]
        return Attack(names, answer, traffic["refused"], traffic["connections"] - sum(traffic["refused"].values()))

    # test_vectors.py has each alone, on the same proxy.
    documents = [(name,) for name in VECTORS if name not in STAYING] + SHARED
    with ThreadPoolExecutor(4) as pool:
        return {name: each for each in pool.map(attack, documents) for name in each.names}


@pytest.mark.parametrize("name", VECTORS)
def test_the_victim_is_not_hit(attacks: dict[str, Attack], victim_of: dict[str, Victim], name: str):
    assert victim_of[name].hits == []


@pytest.mark.parametrize("name", VECTORS)
def test_the_proxy_refuses_every_attempt(attacks: dict[str, Attack], network: bool, name: str):
    verdict, refused = "loopback" if network else "no_network", attacks[name].refused
    tried = [each for each in attacks[name].names if is_tried(each, network)]
    assert set(refused) == ({verdict} if tried else set())
    assert refused.get(verdict, 0) >= len(tried)


def is_tried(name: str, network: bool) -> bool:
    """Return whether the browser tries it. The browser itself is told not to leave the document."""
    vector = VECTORS[name]
    asks_in_a_frame = bool(vector.headers or vector.own) and not network  # where it is refused already
    return not vector.leaves and (name not in UNTRIED or asks_in_a_frame)


def test_without_a_network_no_connection_is_made(attacks: dict[str, Attack], network: bool):
    made = {name: each.connections for name, each in attacks.items() if each.connections}
    assert bool(made) == network


@pytest.mark.parametrize("name", [name for name, vector in VECTORS.items() if vector.leaves])
def test_a_document_that_leads_to_the_victim_is_a_blocked_url(attacks: dict[str, Attack], name: str):
    answer = attacks[name].answer
    assert (answer.status_code, answer.json["code"]) == (400, "blocked_url")


@pytest.mark.parametrize("name", STAYING)
def test_a_refused_request_does_not_fail_the_capture(attacks: dict[str, Attack], name: str):
    assert attacks[name].answer.status_code == 200, attacks[name].answer.text


def test_without_the_guard_documents_that_differ_from_the_pages_hit_their_victims(site: Site):
    """The control, beside that of the pages: what a document shows in a frame, or leads to, works too."""
    differ = [name for name, vector in VECTORS.items() if vector.headers or vector.own or vector.own_redirects]
    with running_victims(len(differ)) as victims:
        pages = {
            name: (site.add(f"/control-{name}", VECTORS[name].document(site, f"in-{name}", victim.address)), victim)
            for name, victim in zip(differ, victims, strict=True)
        }
        hits = asyncio.run(hits_of(pages))
    assert [name for name, seen in hits.items() if not seen] == []
