"""`POST /purge`, over HTTP: which pictures are shown no more, where they lay, and what a wrong order gets."""

import time
from datetime import UTC, datetime, timedelta

import pytest
import redis

from app import create_app
from tests.support.processes import wait_until
from tests.support.redis import age_pictures
from tests.support.screenshot_api import refuse
from tests.support.visitors import PAGE, get
from thumbnails import MOST_MARKS
from urls import locate

OTHER = "https://example.org/"


def states(client, *pages, **options):
    return [get(client, page, **options).headers["X-Cache"] for page in pages]


def purge(client, **order):
    answer = client.post("/purge", json=order)
    assert answer.status_code == 202, answer.json
    return answer.json


def kept(redis_url, folder):
    """Count the pictures in Redis and the originals in the folder."""
    with redis.Redis.from_url(redis_url) as store:
        return len(list(store.scan_iter("thumb:picture:*"))), sum(path.is_file() for path in folder.glob("??/*"))


def test_a_purged_page_is_captured_again_in_each_size_and_format(client, api):
    for options in ({"w": 320}, {"w": 640, "format": "webp"}, {"full_page": 1}):
        get(client, **options)
    get(client, OTHER)
    told = purge(client, url=PAGE)

    assert (told["purged"], told["scopes"], told["caches"]) == ("url", 1, {})
    assert states(client, PAGE, w=320) == ["MISS"]
    assert states(client, PAGE, full_page=1) == ["MISS"]
    assert states(client, PAGE, w=640, format="webp") == ["HIT"]  # made of the new capture
    assert states(client, OTHER) == ["HIT"]
    assert len(api.calls) == 5


@pytest.mark.parametrize(
    ("host", "purged"),
    [
        ("example.com", [True, False, False, False]),
        ("*.example.com", [False, True, True, False]),
        ("EXAMPLE.com", [True, False, False, False]),
        ("a.example.com", [False, True, False, False]),
        ("example.org", [False, False, False, False]),
    ],
)
def test_a_host_is_purged_with_or_without_its_subdomains(client, host, purged):
    pages = [
        "https://example.com/x", "http://a.example.com/", "https://b.a.example.com/", "https://badexample.com/",
    ]  # fmt: skip
    states(client, *pages)
    purge(client, host=host)

    assert [state == "MISS" for state in states(client, *pages)] == purged


def test_all_pages_are_purged_together(client):
    states(client, PAGE, OTHER)
    purge(client, all=True)

    assert states(client, PAGE, OTHER) == ["MISS", "MISS"]


def test_only_what_is_older_is_purged(make_client, redis_url, tmp_path):
    client = make_client(memory_cache_bytes=0)
    states(client, PAGE)
    age_pictures(redis_url, 3600, tmp_path / "originals")
    states(client, OTHER)
    purge(client, older_than=1800)
    assert states(client, OTHER, PAGE) == ["HIT", "MISS"]

    moment = (datetime.now(UTC) - timedelta(minutes=10)).isoformat()
    purge(client, host="example.org", older_than=moment)
    assert states(client, OTHER) == ["HIT"]


def test_a_url_without_a_scheme_is_purged_by_both(client):
    states(client, "https://example.com/", "http://example.com/")
    purge(client, url=" example.com ")

    assert states(client, "https://example.com/", "http://example.com/") == ["MISS", "MISS"]


def test_a_purge_forgets_the_failures_of_a_page(client, api):
    api.behave(refuse(404, "page_status"), times=1)
    assert get(client).status_code == 502
    assert get(client).status_code == 502
    purge(client, host="example.com")

    assert get(client).status_code == 200


def test_other_processes_know_of_a_purge_soon(client, make_built):
    there = make_built()
    there.start()
    other = create_app(there.settings, there).test_client()
    states(client, PAGE)
    assert states(other, PAGE, PAGE) == ["HIT", "HIT"]  # the second one from its own memory
    purge(client, url=PAGE)

    wait_until(lambda: states(other, PAGE) == ["MISS"], "the other process")


def test_a_process_that_starts_later_knows_of_a_purge(client, make_built):
    states(client, PAGE)
    purge(client, url=PAGE)
    later = make_built()
    later.start()

    assert states(create_app(later.settings, later).test_client(), PAGE) == ["MISS"]


def test_the_files_of_a_purge_are_removed_and_the_others_stay(client, built, redis_url, tmp_path):
    folder = tmp_path / "originals"
    for page in (PAGE, OTHER):
        get(client, page, w=320)
    before = kept(redis_url, folder)
    purge(client, url=PAGE)

    assert built.purging.sweeper.sweep() == 2
    assert kept(redis_url, folder) == (before[0] // 2, before[1] // 2)
    assert states(client, OTHER, w=320) == ["HIT"]
    assert built.purging.sweeper.sweep() == 0


def test_a_mark_goes_before_there_is_any_original(client, built, tmp_path):
    purge(client, host="example.com", older_than=86400)
    for _ in range(2):
        built.purging.sweeper.sweep()

    assert not (tmp_path / "originals").exists()
    assert built.purges.marks() == {}


def test_a_picture_that_was_captured_after_the_purge_is_not_removed(client, built):
    states(client, PAGE)
    purge(client, url=PAGE)
    states(client, PAGE)
    built.purging.sweeper.sweep()

    assert states(client, PAGE) == ["HIT"]


def test_originals_in_redis_are_removed_too(make_built, redis_url, tmp_path):
    built = make_built(originals="redis", memory_cache_bytes=0)
    client = create_app(built.settings, built).test_client()
    get(client, w=320)
    purge(client, all=True)
    built.purging.sweeper.sweep()

    assert kept(redis_url, tmp_path / "originals") == (0, 0)


def test_a_long_selector_is_no_obstacle(client, built, redis_url, tmp_path):
    """The beginning of such a picture holds not all of its options."""
    get(client, selector="main, " * 300 + "h1", hide=",".join(f".box-{number}" for number in range(200)))
    purge(client, host="example.com")
    built.purging.sweeper.sweep()

    assert kept(redis_url, tmp_path / "originals") == (0, 0)


@pytest.fixture
def with_sites(built):
    for url in (PAGE, OTHER, "https://example.net/"):
        built.catalogue.add(built.drafts.read({"url": url, "tags": ["news"] if url != OTHER else []}), capture=False)
    return [PAGE, OTHER, "https://example.net/"]


def test_the_pages_of_a_site_and_of_a_tag_are_purged(client, with_sites):
    states(client, *with_sites)
    site = next(site for site in client.get("/sites").json["sites"] if site["url"] == OTHER)
    purge(client, site=site["id"])
    assert states(client, *with_sites) == ["HIT", "MISS", "HIT"]

    assert purge(client, tag="news")["scopes"] == 2
    assert states(client, *with_sites) == ["MISS", "HIT", "MISS"]


@pytest.mark.parametrize(
    ("order", "field"),
    [
        ({}, "send one of"),
        ([], "object"),
        ("https://example.com/", "object"),
        ({"url": PAGE, "host": "example.com"}, "url, host"),
        ({"page": PAGE}, "page"),
        ({"url": ""}, "url"),
        ({"url": 1}, "url"),
        ({"url": "https://127.0.0.1/"}, "url"),
        ({"url": "ftp://example.com/"}, "url"),
        ({"host": "example.com/x"}, "host"),
        ({"host": "*"}, "host"),
        ({"host": "*.*.com"}, "host"),
        ({"host": "exa mple.com"}, "host"),
        ({"host": "a" * 300}, "host"),
        ({"host": "user@example.com"}, "host"),
        ({"host": "example.com:80"}, "host"),
        ({"site": True}, "site"),
        ({"site": "1"}, "site"),
        ({"site": 0}, "site"),
        ({"all": False}, "all"),
        ({"all": "yes"}, "all"),
        ({"older_than": -1}, "older_than"),
        ({"older_than": 1e12}, "older_than"),
        ({"older_than": "yesterday"}, "older_than"),
        ({"older_than": "2026-01-01"}, "older_than"),  # which midnight?
        ({"older_than": "9999-01-01T00:00:00Z"}, "older_than"),
        ({"older_than": None}, "older_than"),
        ({"all": True, "older_than": []}, "older_than"),
    ],
)
def test_a_wrong_order_is_refused_and_purges_nothing(client, order, field):
    states(client, PAGE)
    refused = client.post("/purge", json=order)

    assert refused.status_code == 400
    assert field in refused.json["detail"]
    assert states(client, PAGE) == ["HIT"]


def test_an_unknown_site_and_an_unused_tag_are_named(client, with_sites):
    assert client.post("/purge", json={"site": 999}).status_code == 404
    assert "tag" in client.post("/purge", json={"tag": "unused"}).json["detail"]


def test_only_a_key_or_this_machine_may_purge(make_client):
    open_, keyed = make_client(), make_client(api_keys="cms:correct-horse")

    def purged(client, address="127.0.0.1", **headers):
        answer = client.post("/purge", json={"all": True}, headers=headers, environ_base={"REMOTE_ADDR": address})
        return answer.status_code

    assert purged(open_) == 202
    assert purged(open_, "203.0.113.5") == 401
    elsewhere = open_.post("/purge", json={"all": True}, environ_base={"REMOTE_ADDR": "203.0.113.5"})
    assert elsewhere.json["detail"].startswith("/purge needs an API key")
    assert purged(open_, **{"X-Forwarded-For": "127.0.0.1"}) == 401
    assert purged(open_, Origin="https://evil.example") == 403
    assert purged(keyed) == 401
    assert purged(keyed, "203.0.113.5", **{"X-API-Key": "correct-horse"}) == 202


def test_a_purge_that_cannot_be_noted_is_an_error(make_built):
    built = make_built(state_redis_url="redis://127.0.0.1:1/0")
    client = create_app(built.settings, built).test_client()
    refused = client.post("/purge", json={"all": True})

    assert (refused.status_code, refused.json["code"]) == (503, "queue_unavailable")


def test_a_mark_goes_when_its_files_are_gone_and_no_failure_may_come_back(client, built, redis_url):
    purge(client, all=True)
    built.purging.sweeper.sweep()
    assert built.purges.marks()

    name, moment = next(iter(built.purges.marks().items()))
    with redis.Redis.from_url(redis_url) as store:  # as if it were of two hours ago
        store.hset("thumb:{purges}:marks", name, repr(moment - 8000))
        store.hset("thumb:{purges}:swept", name, repr(moment - 8000))
    built.purging.sweeper.sweep()

    assert built.purges.marks() == {}
    assert time.time() >= moment


def fill_marks(built, count):
    name, now = built.connections.state.keys.purges(), repr(time.time())
    built.connections.state.client.hset(name, mapping={f"page https://x.example/{n}": now for n in range(count)})


def test_all_can_be_purged_and_known_marks_renewed_however_many_there_are(client, built):
    states(client, PAGE)
    fill_marks(built, MOST_MARKS)

    refused = client.post("/purge", json={"host": "example.com"})
    assert (refused.status_code, "too many purges" in refused.json["detail"]) == (503, True)
    purge(client, url="https://x.example/7")
    purge(client, all=True)
    assert len(built.purges.marks()) == 1
    assert states(client, PAGE) == ["MISS"]


def test_pages_that_opt_out_leave_room_for_an_operators_purge(client, built):
    fill_marks(built, MOST_MARKS // 2)
    built.cache.withdraw(locate(PAGE))

    assert len(built.purges.marks()) == MOST_MARKS // 2
    purge(client, url=PAGE)


@pytest.mark.parametrize("order", [{"tag": "a\ud800"}, {"host": "\ud800.com"}, {"url": "https://example.com/\udfff"}])
def test_half_a_character_is_refused(client, with_sites, order):
    refused = client.post("/purge", json=order)

    assert (refused.status_code, next(iter(order)) in refused.json["detail"]) == (400, True)
