"""One capture serves every size and format; what is kept of it is bounded."""

import io

import pytest
import redis
from PIL import Image

from tests.support.visitors import get


def test_eighteen_renditions_of_a_page_are_one_capture(client, api):
    for width in (160, 320, 640):
        for ratio in (1, 2):
            for format_ in ("png", "webp", "jpeg"):
                assert get(client, w=width * ratio, format=format_).status_code == 200

    assert len(api.calls) == 1


def test_an_original_serves_although_redis_evicted_the_note_of_its_capture(client, api, redis_url):
    """Under `volatile-lru` the note, a key of its own, may be evicted first."""
    get(client, w=320)
    with redis.Redis.from_url(redis_url) as store:
        assert store.delete(*store.keys("thumb:original:*")) == 1

    assert get(client, w=640).headers["X-Cache"] == "HIT"
    assert len(api.calls) == 1


@pytest.mark.parametrize(
    ("accept", "format_"),
    [
        ("image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8", "AVIF"),
        ("image/webp,*/*", "WEBP"),
        ("image/avif;q=0.5,image/webp;q=0.9", "WEBP"),
        ("image/avif;q=0,image/webp;q=0.1", "WEBP"),
        ("*/*", "PNG"),
        ("image/*", "PNG"),
        ("image/png, image/webp;q=0.5, image/avif;q=0.1", "PNG"),
        ("", "PNG"),
    ],
)
def test_the_automatic_format_is_the_best_that_accept_names(client, accept, format_):
    response = get(client, headers={"Accept": accept}, format="auto", w=64)

    assert Image.open(io.BytesIO(response.data)).format == format_
    assert response.headers["Vary"] == "Accept"


def test_the_automatic_format_of_a_known_picture_is_each_callers_own(client):
    accepted = {"*/*": "image/png", "image/webp,*/*": "image/webp", "image/avif,image/webp,*/*": "image/avif"}
    for accept in accepted:
        get(client, headers={"Accept": accept}, format="auto", w=64)
    hits = {accept: get(client, headers={"Accept": accept}, format="auto", w=64) for accept in accepted}

    assert {hit.headers["X-Cache"] for hit in hits.values()} == {"HIT"}
    assert {hit.headers["Vary"] for hit in hits.values()} == {"Accept"}
    assert {accept: hit.content_type for accept, hit in hits.items()} == accepted


def test_a_named_format_does_not_vary(client):
    assert "Vary" not in get(client, format="webp").headers


def test_a_master_is_kept_within_its_own_life_and_size(make_client, api, redis_url):
    store = redis.Redis.from_url(redis_url)
    get(make_client(master_ttl=600), w=64)
    kept = {len(store.get(key)): store.ttl(key) for key in store.keys("thumb:picture:*")}
    store.flushall()
    get(make_client(master_max_bytes=100), w=64)

    assert 590 < kept[max(kept)] <= 600
    assert kept[min(kept)] > 86400
    lives = sorted(store.ttl(key) for key in store.keys("thumb:picture:*"))
    assert lives[0] <= 30, "a large master serves those who wait for it, and is gone"
    assert lives[1] > 86400
