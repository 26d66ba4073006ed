"""The engine tells clients apart by pseudonyms, which say nothing about their addresses."""

import hashlib

import pytest
import redis

from tests.support.redis import running_redis
from tests.support.screenshot_api import running_screenshot_api


@pytest.fixture
def engine():
    with running_screenshot_api("engine") as running:
        yield running


@pytest.fixture
def settings(settings, engine):
    return settings | {"capture_api": "engine", "capture_url": engine.url, "capture_api_key": None}


def look(client, address, page):
    response = client.get(
        "/thumb", query_string={"url": f"https://example.com/{page}"}, environ_base={"REMOTE_ADDR": address}
    )
    assert response.status_code == 200


def names(engine):
    return [call.headers.get("X-Client") for call in engine.calls]


def test_a_client_has_one_pseudonym_in_all_processes(make_client, engine):
    one, other = make_client(), make_client()
    look(one, "192.0.2.1", "a")
    look(other, "192.0.2.1", "b")
    look(other, "192.0.2.2", "c")

    first, same, different = names(engine)
    assert first == same != different


def test_a_pseudonym_cannot_be_computed_from_an_address(make_client, engine, redis_url):
    look(make_client(), "192.0.2.1", "a")
    with running_redis() as another:
        look(make_client(redis_url=another.url), "192.0.2.1", "a")

    here, elsewhere = names(engine)
    plain = {hashlib.new(kind, b"192.0.2.1").hexdigest()[:32] for kind in ("sha256", "sha1", "md5")}
    assert len({here, elsewhere}) == 2, "another installation has another secret"
    assert not {here, elsewhere} & plain
    with redis.Redis.from_url(redis_url) as store:
        assert 0 < store.ttl("thumb:client-secret") <= 86400


def test_without_redis_clients_still_differ(make_client, engine):
    with running_redis() as gone:
        url = gone.url
    client = make_client(redis_url=url)
    for address, page in (("192.0.2.1", "a"), ("192.0.2.1", "b"), ("192.0.2.2", "c")):
        look(client, address, page)

    first, same, different = names(engine)
    assert first == same != different


def test_a_hosted_api_learns_nothing_of_clients(make_client, api):
    client = make_client(capture_api="snapsharp", capture_url=api.url, capture_api_key="sk_live_test")
    look(client, "192.0.2.1", "a")

    assert names(api) == [None]
