"""Captures are charged, known pictures are free, and a visitor without a budget costs others nothing."""

import io
import random
from collections import Counter

import pytest
from PIL import Image

from tests.support.processes import wait_until
from tests.support.redis import age_pictures, running_redis
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


def test_a_page_of_known_thumbnails_loads_without_a_refusal_when_all_captures_are_spent(make_client):
    client = make_client(thumb_limit="12 per hour")
    urls = [f"https://example.com/{i}" for i in range(12)]
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


def test_a_page_of_sixty_thumbnails_in_three_sizes_passes_with_the_defaults(make_client, api):
    client = make_client()
    urls = [f"https://example.com/{number}" for number in range(60)]
    small = {"width": 320, "height": 240}
    looks = Counter(get(client, url, w=w, **small).status_code for url in urls for w in (64, 128, 256))
    again = Counter(get(client, url, w=w, **small).headers["X-Cache"] for url in urls for w in (64, 128, 256))

    assert looks == {200: 180}
    assert again == {"HIT": 180}
    assert len(api.calls) == 60


def test_new_sizes_have_a_budget_and_known_ones_are_free(make_client):
    client = make_client(rendition_limit="4 per hour")
    sizes = [get(client, w=w) for w in (100, 200, 300, 400, 500, 600)]
    again = [get(client, w=w).status_code for w in (100, 200, 300, 400, 500) for _ in range(3)]

    assert [size.status_code for size in sizes] == [200, 200, 200, 200, 200, 429]
    assert "limit reached: 4 new renditions per hour" in sizes[-1].json["detail"]
    assert 0 < int(sizes[-1].headers["Retry-After"]) <= 3600
    assert set(again) == {200}


def test_a_capture_pays_for_its_first_size(make_client, api):
    client = make_client(rendition_limit="1 per hour")
    looks = [get(client, f"https://example.com/{number}", w=100).status_code for number in range(3)]

    assert looks == [200, 200, 200]
    assert [get(client, "https://example.com/0", w=w).status_code for w in (200, 300)] == [200, 429]
    assert len(api.calls) == 3


def test_a_large_rendition_counts_as_several(make_client, api):
    client = make_client(rendition_limit="20 per hour")
    api.behave(noise)
    first = get(client, width=800, height=600)
    sizes = [get(client, width=800, height=600, w=790 - number).status_code for number in range(4)]

    assert len(first.data) > 1_200_000
    assert sizes == [200, 200, 429, 429], "the first look shows the original itself, which is no rendition"


def test_a_flood_of_sizes_leaves_the_pictures_of_others_in_redis(make_client, api):
    """Redis has room for 8 MB. One client asks for 50 sizes of a page of noise, and pays for one capture."""
    with running_redis("--maxmemory", "8mb", "--maxmemory-policy", "volatile-lru", "--save", "") as server:
        client = make_client(redis_url=server.url, rendition_limit="20 per minute")
        others = [f"https://example.com/{number}" for number in range(10)]
        for url in others:
            assert ask(client, url, "192.0.2.7", w=320).status_code == 200
        api.behave(noise)
        flood = Counter(
            ask(client, "https://example.com/noise", "192.0.2.66", width=800, height=600, w=790 - n).status_code
            for n in range(50)
        )
        kept = Counter(ask(client, url, "192.0.2.7", w=320).headers["X-Cache"] for url in others)
        new = Counter(ask(client, url, "192.0.2.7", w=321).headers["X-Cache"] for url in others)

    assert flood[429] >= 45, flood
    assert kept == new == {"HIT": 10}
    assert len(api.calls) == 11


def test_a_caller_without_a_budget_for_sizes_does_not_make_others_fail(make_client, api, held):
    client = make_client(rendition_limit="1 per hour")
    crowd = Crowd(client, 4)
    first = crowd.ask(url=PAGE, w=100, address="192.0.2.66")
    wait_until(lambda: len(api.calls) == 1, "the capture")
    held.set()
    assert first.result().status_code == 200
    pairs = [
        (crowd.ask(url=PAGE, w=w, address="192.0.2.66"), crowd.ask(url=PAGE, w=w, address=f"192.0.2.{w - 200}"))
        for w in range(201, 209)
    ]

    assert {other.result().status_code for _, other in pairs} == {200}
    assert {spent.result().status_code for spent, _ in pairs} <= {200, 429}


def ask(client, url, address, **options):
    return client.get("/thumb", query_string={"url": url, **options}, environ_base={"REMOTE_ADDR": address})


def noise(answer):
    """Draw a picture that no encoder makes smaller."""
    size = int(answer.params["width"]), int(answer.params["height"])
    target = io.BytesIO()
    Image.frombytes("RGB", size, random.Random(1).randbytes(3 * size[0] * size[1])).save(
        target, "PNG", compress_level=0
    )
    answer.reply(200, target.getvalue(), {"Content-Type": "image/png"})
