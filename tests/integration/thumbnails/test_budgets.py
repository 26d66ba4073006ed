"""Captures are charged, known pictures are free, and a visitor without a budget costs others nothing."""

import pytest

from tests.support.processes import wait_until
from tests.support.redis import age_pictures
from tests.support.screenshot_api import refuse
from tests.support.visitors import PAGE, Crowd, get


def test_a_caller_without_budget_does_not_make_others_fail(make_client, api, held):
    """The leader has no budget left. A follower that has one leads the next capture and gets the picture."""
    client = make_client(thumb_limit="1 per hour")
    crowd = Crowd(client, 3)
    spent = crowd.ask(url="https://example.org/", address="8.8.8.8")
    wait_until(lambda: len(api.calls) == 1, "the first capture")
    held.set()
    assert spent.result().status_code == 200

    refused, served = crowd.ask(url=PAGE, address="8.8.8.8"), crowd.ask(url=PAGE, address="9.9.9.9")
    assert served.result().status_code == 200
    assert refused.result().status_code in (200, 429)


def test_a_page_with_sixty_known_thumbnails_loads_without_a_refusal(make_client):
    client = make_client(thumb_limit="60 per hour")
    urls = [f"https://example.com/{i}" for i in range(60)]
    small = {"width": 320, "height": 240}
    for url in urls:
        assert get(client, url, **small).status_code == 200

    again = [get(client, url, w=w, **small).status_code for url in urls for w in (64, 128)]
    assert set(again) == {200}
    assert get(client, "https://example.com/one-more").status_code == 429


def test_over_budget_an_old_picture_is_shown(make_client, api, redis_url):
    client = make_client(cache_ttl=60, thumb_limit="1 per hour")
    get(client)
    age_pictures(redis_url, seconds=120)

    assert [get(client).headers["X-Cache"] for _ in range(3)] == ["STALE"] * 3
    assert len(api.calls) == 1


@pytest.mark.slow
def test_a_refresh_that_was_refused_is_not_tried_again_with_each_look(make_client, api, redis_url, resolver):
    client = make_client(cache_ttl=60, thumb_limit="1 per hour")
    get(client)
    age_pictures(redis_url, seconds=120)
    coalescer = client.application.extensions["services"].coalescer
    looked_up = len(resolver.asked)
    for _ in range(20):
        assert get(client).headers["X-Cache"] == "STALE"
        coalescer.drain(10)
    tried = len(resolver.asked) - looked_up

    assert 1 <= tried <= 10, "once in a few seconds, however slow this machine"
    wait_until(lambda: get(client) and len(resolver.asked) - looked_up > tried, "another try")
    assert len(api.calls) == 1


def test_a_refused_refresh_does_not_delay_visitors_with_a_budget(make_client, api, redis_url):
    client = make_client(cache_ttl=60, thumb_limit="1 per hour")
    get(client)
    age_pictures(redis_url, seconds=120)
    coalescer = client.application.extensions["services"].coalescer
    for _ in range(3):
        assert get(client).headers["X-Cache"] == "STALE"
        coalescer.drain(10)
    client.get("/thumb", query_string={"url": PAGE}, environ_base={"REMOTE_ADDR": "192.0.2.7"})
    coalescer.drain(10)

    assert len(api.calls) == 2


def test_a_refused_fresh_request_keeps_the_remembered_failure(make_client, api):
    client = make_client(thumb_limit="1 per hour")
    api.behave(refuse(422, "page_failed"), times=99)
    get(client)
    tried = len(api.calls)
    assert get(client, fresh=1).status_code == 429
    failed = client.get("/thumb", query_string={"url": PAGE}, environ_base={"REMOTE_ADDR": "192.0.2.7"})

    assert (failed.status_code, len(api.calls)) == (502, tried)
