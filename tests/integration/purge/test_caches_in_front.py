"""The caches in front: tags on answers, CDNs that are told over HTTP, and the folder of nginx."""

import json
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from structlog.testing import capture_logs

import config
import tasks
from app import create_app
from jobs import INTERACTIVE, TELL_CACHES
from purge import CachesInFront, page_tags
from tests.support.nginx import Edge, running_nginx
from tests.support.processes import wait_until
from tests.support.visitors import PAGE, get
from tests.support.web import running_web
from tests.support.worker import running_worker
from urls import locate


def app_of(built):
    return create_app(built.settings, built).test_client()


def test_answers_about_a_page_carry_its_tags_where_a_cache_is_purged_by_them(make_built):
    tagged, plain = app_of(make_built(cache_tags=True)), app_of(make_built())
    tags = page_tags(locate(PAGE))
    first, hit = get(tagged), get(tagged)
    unchanged = get(tagged, headers={"If-None-Match": hit.headers["ETag"]})
    path = tagged.get(f"/t/w=320/{PAGE}")

    for answer in (first, hit, unchanged, path):
        assert answer.headers["Surrogate-Key"] == " ".join(tags)
        assert answer.headers["Cache-Tag"] == ",".join(tags)
    assert (hit.headers["X-Cache"], unchanged.status_code) == ("HIT", 304)
    assert "Surrogate-Key" not in get(plain).headers
    assert "example" not in hit.headers["Cache-Tag"]


def test_tags_tell_pages_hosts_and_domains_apart():
    one, other = (set(page_tags(locate(f"https://a.b.example.com/{page}"))) for page in "xy")
    sibling = set(page_tags(locate("https://c.b.example.com/x")))

    assert len(one - other) == 1  # the page
    assert len(one & sibling) == 4  # all, and b.example.com, example.com, com
    assert len(one) == 6


def test_fastly_is_told_by_its_contract(make_built, cdn):
    built = make_built(fastly_service_id="SU1Z0isxPaozGVKXdv0eY", fastly_api_token="secret-1", fastly_api_url=cdn.url)
    answer = app_of(built).post("/purge", json={"url": PAGE})

    assert answer.json["caches"] == {"fastly": "ok"}
    [asked] = cdn.asked
    assert (asked.method, asked.path) == ("POST", "/service/SU1Z0isxPaozGVKXdv0eY/purge")
    assert asked.headers["Fastly-Key"] == "secret-1"
    assert json.loads(asked.body) == {"surrogate_keys": [page_tags(locate(PAGE))[1]]}


def test_cloudflare_is_told_at_most_thirty_tags_at_a_time(make_built, cdn):
    built = make_built(
        cloudflare_zone_id="023e105f4ecef8ad", cloudflare_api_token="secret-2", cloudflare_api_url=cdn.url
    )
    for number in range(20):
        built.catalogue.add(built.drafts.read({"url": f"{PAGE}{number}", "tags": ["many"]}), capture=False)
    app_of(built).post("/purge", json={"tag": "many"})

    sent = [json.loads(asked.body)["tags"] for asked in cdn.asked]
    assert [len(some) for some in sent] == [30, 10]  # of a site and of its page
    assert len({tag for some in sent for tag in some}) == 40
    assert {asked.path for asked in cdn.asked} == {"/zones/023e105f4ecef8ad/purge_cache"}
    assert {asked.headers["Authorization"] for asked in cdn.asked} == {"Bearer secret-2"}


def test_other_caches_are_sent_purge(make_built, cdn):
    built = make_built(purge_urls=f"{cdn.url}/edge")
    app_of(built).post("/purge", json={"host": "*.example.com"})

    [asked] = cdn.asked
    tag = page_tags(locate("https://a.example.com/"))[3]
    assert (asked.method, asked.path) == ("PURGE", "/edge")
    assert [asked.headers[name] for name in ("Surrogate-Key", "xkey-purge", "Cache-Tag")] == [tag] * 3


def soon(seconds=4):
    """When all processes know what was purged; `seconds` is more for what lies behind nginx."""
    return time.time() + seconds


def woken_in(built):
    """In how many seconds the worker is woken to tell the caches; None if it is not."""
    state = built.connections.state
    due = state.client.zscore(state.keys.jobs_due(), f"{TELL_CACHES} interactive caches 1")
    return due and due - time.time()


@pytest.mark.parametrize(("status", "answer"), [(500, "{}"), (403, "{}"), (302, ""), (200, '{"success": false}')])
def test_a_cache_that_does_not_confirm_is_told_again(make_built, cdn, status, answer):
    cdn.status, cdn.answer = status, answer
    built = make_built(cloudflare_zone_id="023e105f", cloudflare_api_token="secret-2", cloudflare_api_url=cdn.url)
    told = app_of(built).post("/purge", json={"url": PAGE})
    assert told.json["caches"] == {"cloudflare": "retrying"}
    assert built.purging.in_front.tell_pending(soon()) == 1
    assert built.purging.in_front.tell_pending(soon(10)) == 1  # too early for another try
    assert 30 < woken_in(built) < 60

    cdn.status, cdn.answer = 200, '{"success": true}'
    assert built.purging.in_front.tell_pending(soon(70)) == 0
    assert built.purging.in_front.tell_pending(soon(140)) == 0
    assert len({asked.body for asked in cdn.asked}) == 1
    assert len(cdn.asked) == 3


def test_a_cache_is_told_once_more_when_all_processes_know(make_built, cdn):
    """A process that does not know yet has answered with the old picture meanwhile, and the cache has stored it."""
    knows, knows_not = (make_built(purge_urls=f"{cdn.url}/edge", cache_tags=True) for _ in range(2))
    path, client = f"/thumb?url={PAGE}&w=320", app_of(knows_not)
    first = cdn.get(client, path)
    assert app_of(knows).post("/purge", json={"url": PAGE}).json["caches"] == {f"{cdn.url}/edge": "ok"}
    assert cdn.get(client, path) is not first
    assert cdn.get(client, path).headers["X-Cache"] == "HIT"
    assert 2 < woken_in(knows) < 4

    assert knows.purging.in_front.tell_pending() == 1  # not yet: others may still show it
    assert cdn.get(client, path).headers["X-Cache"] == "HIT"
    knows_not.purges.refresh()  # as each process does every two seconds
    tasks.tell_caches(make_built(purge_urls=f"{cdn.url}/edge"), "caches", 1, INTERACTIVE)
    assert knows.purging.in_front.tell_pending(soon()) == 0
    assert cdn.get(client, path).headers["X-Cache"] == "MISS"
    assert woken_in(knows) is None


@pytest.mark.slow
def test_the_worker_wakes_to_tell_caches_again(make_built, settings, cdn, tmp_path):
    built = make_built(purge_urls=cdn.url)
    with running_worker(tmp_path / "worker.log", **settings | {"purge_urls": cdn.url}):
        app_of(built).post("/purge", json={"url": PAGE})
        wait_until(lambda: len(cdn.asked) == 2, "another call, without beat")
    assert cdn.asked[0].headers["Surrogate-Key"] == cdn.asked[1].headers["Surrogate-Key"]
    assert woken_in(built) is None


def test_a_cdn_is_told_after_nginx_which_it_may_have_asked(make_built, cdn, tmp_path):
    (tmp_path / "edge" / "a").mkdir(parents=True)
    built = make_built(purge_urls=cdn.url, nginx_cache_dir=tmp_path / "edge")
    file = tmp_path / "edge" / "a" / "0123"

    def store():
        """What nginx stores of a process that does not know of the purge."""
        tags = " ".join(page_tags(locate(PAGE)))
        file.write_text(f"KEY: x\nHTTP/1.1 200 OK\r\nSurrogate-Key: {tags}\r\n\r\n", newline="")

    told = app_of(built).post("/purge", json={"url": PAGE}).json["caches"]
    assert told == {"nginx": "ok", cdn.url: "ok"}
    store()
    assert built.purging.in_front.tell_pending(soon()) == 1
    assert (file.exists(), len(cdn.asked)) == (False, 1)
    assert built.purging.in_front.tell_pending(soon(8)) == 0
    assert len(cdn.asked) == 2

    app_of(built).post("/purge", json={"url": PAGE})
    store()
    assert built.purging.in_front.tell_pending(soon(60)) == 1  # late: nginx may serve what was removed for seconds more
    assert (file.exists(), len(cdn.asked)) == (False, 4)
    assert built.purging.in_front.tell_pending(soon(70)) == 0
    assert len(cdn.asked) == 5


def test_a_cdn_is_told_again_after_an_nginx_that_did_not_confirm_at_first(make_built, cdn, tmp_path):
    """Meanwhile, nginx has answered the CDN with the old picture."""
    built = make_built(purge_urls=cdn.url, nginx_cache_dir=tmp_path / "edge")
    told = app_of(built).post("/purge", json={"url": PAGE}).json["caches"]
    assert told == {"nginx": "retrying", cdn.url: "ok"}
    assert [built.purging.in_front.tell_pending(soon(seconds)) for seconds in (8, 12, 30)] == [2, 2, 2]
    assert len(cdn.asked) == 2  # nothing is gained by more calls before nginx confirms

    (tmp_path / "edge").mkdir()
    assert built.purging.in_front.tell_pending(soon(70)) == 1
    assert built.purging.in_front.tell_pending(soon(80)) == 0
    assert len(cdn.asked) == 4


def test_a_purge_of_many_pages_leaves_the_calls_to_the_worker(make_built, cdn):
    built = make_built(cloudflare_zone_id="023e105f", cloudflare_api_token="secret-2", cloudflare_api_url=cdn.url)
    tags = [f"p-{number}" for number in range(301)]
    assert built.purging.in_front.tell(tags[:300], 1.0) == {"cloudflare": "ok"}
    assert len(cdn.asked) == 10
    assert built.purging.in_front.tell(tags, 1.0) == {"cloudflare": "queued"}
    assert (len(cdn.asked), woken_in(built) < 4) == (10, True)

    cdn.most = 4
    assert built.purging.in_front.tell_pending(soon()) == 301 - 120
    cdn.most = 100
    assert built.purging.in_front.tell_pending(soon(60)) == 0
    assert sorted(tag for each in cdn.asked[10:] for tag in json.loads(each.body)["tags"]) == sorted(
        [*tags, *json.loads(cdn.asked[14].body)["tags"]]
    )


def test_what_is_pending_is_bounded_and_then_everything_is_purged(make_built, cdn):
    built = make_built(cloudflare_zone_id="023e105f", cloudflare_api_token="secret-2", cloudflare_api_url=cdn.url)
    cdn.status = 500
    state = built.connections.state
    key = state.keys.purges_pending("cloudflare")
    most = []
    for batch in range(7):
        built.purging.in_front.tell([f"p-{batch}-{number}" for number in range(900)], 1.0 + batch)
        most.append(state.client.hlen(key))
    assert most == [900, 1800, 2700, 1, 901, 1801, 2701]
    assert state.client.hget(key, "thumbs").startswith(b"4.0 ")
    state.client.delete(key)
    built.purging.in_front.tell([f"s-{number}" for number in range(40_000)], 8.0)

    cdn.status = 200
    del cdn.asked[:]
    assert built.purging.in_front.tell_pending(soon()) == 0
    assert [json.loads(each.body)["tags"] for each in cdn.asked] == [["thumbs"]]


def test_a_token_without_its_id_is_an_error(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FASTLY_API_TOKEN", "secret-1")
    with pytest.raises(config.ConfigError, match="FASTLY_SERVICE_ID"):
        config.load()


@contextmanager
def _behind_nginx(folder, **settings):
    with (
        running_web(folder / "web.log", nginx_cache_dir=folder / "cache", trusted_proxies=1, **settings) as web,
        running_nginx(folder, web) as url,
    ):
        yield web, Edge(url, folder)


@pytest.mark.slow
def test_a_purge_removes_pictures_from_nginx(settings, short_folder, api):
    (short_folder / "cache").mkdir(parents=True)
    # One process, which knows of its own purge at once: what others may answer meanwhile is tested above.
    with _behind_nginx(short_folder, **settings | {"resolve_targets": False, "web_concurrency": 1}) as (web, edge):
        page, other = "http://93.184.216.34/a", "http://93.184.216.34/b"
        for url in (page, page, other, other):
            edge.thumb(url, w=320)
        wait_until(lambda: edge.thumb(page, w=320).headers["X-Edge-Cache"] == "HIT", "nginx' copy")
        wait_until(lambda: edge.thumb(other, w=320).headers["X-Edge-Cache"] == "HIT", "nginx' copy")
        captured = len(api.calls)
        answer = requests.post(f"{web}/purge", json={"url": page}, timeout=10)

        assert answer.json()["caches"] == {"nginx": "ok"}
        wait_until(lambda: edge.thumb(page, w=320).headers["X-Edge-Cache"] != "HIT", "another answer")
        assert len(api.calls) == captured + 1
        assert edge.thumb(other, w=320).headers["X-Edge-Cache"] == "HIT"


@pytest.fixture
def short_folder():
    with tempfile.TemporaryDirectory(prefix="edge") as name:  # the path of a socket must be short
        yield Path(name)


def test_waiting_purges_are_told_together_and_only_what_is_left(make_built, cdn):
    built = make_built(cloudflare_zone_id="023e105f", cloudflare_api_token="secret-2", cloudflare_api_url=cdn.url)
    cdn.status = 500
    for number in range(40):
        app_of(built).post("/purge", json={"url": f"{PAGE}{number}"})
    del cdn.asked[:]
    cdn.status, cdn.most = 200, 1  # the first batch alone

    assert built.purging.in_front.tell_pending(soon()) == 10
    cdn.most = 100
    assert built.purging.in_front.tell_pending(soon(60)) == 0
    sent = [len(json.loads(asked.body)["tags"]) for asked in cdn.asked]
    assert sent == [30, 10, 10]


def test_waiting_purges_are_not_forgotten_if_the_worker_is_killed(make_built, cdn):
    built = make_built(purge_urls=cdn.url)
    cdn.status = 500
    app_of(built).post("/purge", json={"url": PAGE})

    class Killed:
        name, at_once = cdn.url, 30

        def purge(self, moments):
            raise KeyboardInterrupt

    killed = CachesInFront([Killed()], built.connections.state, built.jobs.store.agenda)
    with pytest.raises(KeyboardInterrupt):
        killed.tell_pending(soon())
    cdn.status = 200
    del cdn.asked[:]
    assert built.purging.in_front.tell_pending(soon()) == 0
    assert len(cdn.asked) == 1


def test_a_cache_that_does_not_confirm_for_a_day_is_given_up(make_built, cdn):
    built = make_built(purge_urls=cdn.url)
    cdn.status = 500
    app_of(built).post("/purge", json={"url": PAGE})
    with capture_logs() as logs:
        assert built.purging.in_front.tell_pending(soon(90_000)) == 0

    assert [each["event"] for each in logs] == ["purge_given_up"]
    assert len(cdn.asked) == 1


def test_what_is_given_up_is_still_there_after_a_day_to_be_logged(make_built, cdn):
    built = make_built(purge_urls=cdn.url)
    cdn.status = 500
    app_of(built).post("/purge", json={"url": PAGE})
    state = built.connections.state
    assert state.client.ttl(state.keys.purges_pending(cdn.url)) > 86_400 + 1800


@pytest.mark.parametrize("age", [0, 80_000], ids=["of all", "of what is older"])
def test_a_purge_that_came_again_has_a_day_of_its_own(make_built, cdn, monkeypatch, age):
    built = make_built(purge_urls=cdn.url)
    cdn.status, clock = 500, time.time()
    monkeypatch.setattr(time, "time", lambda: clock)
    built.purging.in_front.tell(["p-1"], clock - age)
    clock += 50_000
    built.purging.in_front.tell(["p-1"], clock - age)
    assert built.purging.in_front.tell_pending(clock + 50_000) == 1
    assert built.purging.in_front.tell_pending(clock + 86_500) == 0


def test_a_cache_that_confirms_each_of_many_purges_keeps_nobody_waiting(make_built, cdn, monkeypatch):
    built = make_built(purge_urls=cdn.url)
    clock = time.time()
    monkeypatch.setattr(time, "time", lambda: clock)
    for _ in range(40):  # each before the worker is to tell the last one once more
        clock += 2
        built.purging.in_front.tell(["p-1"], clock)
        built.purging.in_front.tell_pending(clock)
    assert [seconds for _, seconds in built.purging.in_front.unconfirmed()] == [0]


def test_what_an_older_version_left_is_told_and_forgotten(make_built, cdn):
    built = make_built(purge_urls=cdn.url)
    state, now = built.connections.state, time.time()
    state.client.hset(state.keys.purges_pending(cdn.url), "p-1", f"{now!r} {now!r} {now - 1!r}")
    assert built.purging.in_front.tell_pending(now) == 0
    assert len(cdn.asked) == 1
