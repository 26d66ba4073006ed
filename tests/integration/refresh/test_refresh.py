"""Popular old pages are recaptured, the most viewed first, within a budget; other pages are not."""

import time
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import redis

import tasks
from jobs import BULK, RECAPTURE, TaskMessage
from refresh import ViewedPage, popularity
from refresh.refresher import round_share, spendable
from tests.support.processes import wait_until
from tests.support.redis import age_pictures
from tests.support.screenshot_api import refuse, running_screenshot_api, with_mark
from tests.support.worker import FAST_CLOCK, running_beat, running_worker

DAY = 86400
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def look(client, page, times=1, **options):
    url = f"https://{page}.example.com/"
    return [client.get("/thumb", query_string={"url": url, "w": 64, **options}) for _ in range(times)][-1]


@pytest.fixture
def web(make_client):
    """A client whose application counts views, and the refresher beside it."""
    return make_client(refresh_budget=DAY)


@pytest.fixture
def refresher(web):
    """The application's own, with a budget that allows many captures even a second after midnight."""
    return replace(web.application.extensions["services"].refresher, budget=10**9)


def chosen(refresher, now=None):
    refresher.popularity.flush()
    return [page.request.target.netloc for page in refresher.choose(now)]


def test_the_most_viewed_page_is_recaptured_first(web, refresher, redis_url, monkeypatch):
    monkeypatch.setattr(popularity, "_READ_BATCH", 2)
    for page, times in (("rare", 1), ("often", 9), ("sometimes", 4)):
        look(web, page)
        look(web, page, times)
    refresher.popularity.flush()
    age_pictures(redis_url, seconds=DAY + 10)

    assert chosen(refresher) == ["often.example.com", "sometimes.example.com", "rare.example.com"]
    with redis.Redis.from_url(redis_url) as store:
        assert store.zcard("thumb:views") == 0  # a failed recapture is not retried because of old views


def test_a_page_without_views_since_its_capture_is_not_recaptured(web, refresher, redis_url):
    look(web, "once")
    refresher.popularity.flush()
    age_pictures(redis_url, seconds=DAY + 10)

    assert chosen(refresher) == []


def test_a_page_is_not_recaptured_before_its_own_ttl_has_passed(web, refresher, redis_url):
    for page, ttl in (("hasty", 3600), ("patient", 2 * DAY), ("usual", None)):
        look(web, page, times=2, **({"ttl": ttl} if ttl else {}))
    refresher.popularity.flush()
    age_pictures(redis_url, seconds=3700)
    assert chosen(refresher) == ["hasty.example.com"]
    age_pictures(redis_url, seconds=DAY)
    assert chosen(refresher) == ["usual.example.com"]


def test_a_page_that_a_visitor_has_captured_since_is_not_recaptured(web, refresher, redis_url, api):
    look(web, "busy", times=2)
    refresher.popularity.flush()
    age_pictures(redis_url, seconds=DAY + 10)
    assert look(web, "busy").headers["X-Cache"] == "STALE"
    wait_until(lambda: look(web, "busy").headers["X-Cache"] == "HIT", "the capture behind")

    assert chosen(refresher) == []
    assert len(api.calls) == 2


def test_a_page_too_old_to_be_shown_is_not_recaptured(make_client, redis_url):
    client = make_client(refresh_budget=DAY, stale_ttl=3600)
    refresher = replace(client.application.extensions["services"].refresher, budget=10**9)
    look(client, "forgotten", times=2)
    refresher.popularity.flush()
    age_pictures(redis_url, seconds=DAY + 3700)

    assert chosen(refresher) == []
    with redis.Redis.from_url(redis_url) as store:
        assert store.zcard("thumb:views") == 0


def test_a_refreshed_picture_is_a_hit_for_the_next_visitor(web, refresher, redis_url, api):
    look(web, "news", times=2)
    refresher.popularity.flush()
    age_pictures(redis_url, seconds=DAY + 10)
    (page,) = refresher.choose()
    api.behave(with_mark(40, 40))

    assert refresher.recapture(page)
    assert not refresher.recapture(page)
    again = look(web, "news")
    assert (again.headers["X-Cache"], len(api.calls)) == ("HIT", 2)


def test_our_engine_puts_a_refresh_behind_visitors(make_client, redis_url):
    with running_screenshot_api("engine") as engine:
        web = make_client(refresh_budget=DAY, capture_api="engine", capture_url=engine.url, capture_api_key=None)
        refresher = replace(web.application.extensions["services"].refresher, budget=10**9)
        look(web, "news", times=2)
        refresher.popularity.flush()
        age_pictures(redis_url, seconds=DAY + 10)
        (page,) = refresher.choose()
        assert refresher.recapture(page)

    assert [call.headers.get("Priority") for call in engine.calls] == [None, "u=7"]


def test_a_refreshed_picture_that_looks_the_same_is_not_modified(web, refresher, redis_url, api):
    """By default an original is kept only while it is fresh; with a budget it must be kept longer."""
    before = look(web, "calm", times=2)
    refresher.popularity.flush()
    with redis.Redis.from_url(redis_url) as store:
        lives = sorted(store.ttl(key) for key in store.keys("thumb:picture:*"))
    age_pictures(redis_url, seconds=DAY + 10)
    (page,) = refresher.choose()
    api.behave(with_mark(1, 20))
    refresher.recapture(page)

    assert look(web, "calm").headers["ETag"] == before.headers["ETag"]
    assert lives[0] > 1.9 * DAY


def test_a_page_that_cannot_be_captured_is_tried_once_per_ttl(web, refresher, redis_url, api):
    look(web, "broken", times=2)
    refresher.popularity.flush()
    age_pictures(redis_url, seconds=DAY + 10)
    api.behave(refuse(404, "not_found"), times=99)
    assert chosen(refresher) == ["broken.example.com"]
    look(web, "broken")

    assert chosen(refresher) == []


def test_two_beats_spend_the_budget_once(web, refresher, redis_url):
    for number in range(8):
        look(web, f"page{number}", times=2)
    refresher.popularity.flush()
    age_pictures(redis_url, seconds=DAY + 10)
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    # A second after midnight two of a day's 172,800 pictures may be captured.
    at = midnight + timedelta(days=1, seconds=1)
    small = replace(refresher, budget=2 * DAY)

    assert [len(small.choose(at)) for _ in range(3)] == [2, 0, 0]
    assert len(small.choose(at + timedelta(seconds=1))) == 2  # a page that got no budget before is still due


@pytest.mark.parametrize("budget", [1, 10, 1000, 100_000])
def test_the_budget_is_spread_over_the_day_and_never_exceeded(budget):
    midnight = NOON.replace(hour=0)
    spent, most = 0, 0
    for minute in range(24 * 60):
        now = midnight + timedelta(minutes=minute)
        taken = max(min(round_share(budget), spendable(budget, now) - spent), 0)
        spent, most = spent + taken, max(most, taken)
        assert spent <= budget * (minute + 1) / 1440 + 1
    assert 0.99 * budget - 1 <= spent <= budget
    assert most <= 2 * budget / 1440 + 1


def test_without_a_budget_no_view_is_counted(client, redis_url):
    look(client, "any", times=3)
    client.application.extensions["services"].popularity.flush()

    with redis.Redis.from_url(redis_url) as store:
        assert store.keys("thumb:views*") == []


def test_counting_a_hit_costs_no_call_to_redis(make_client, redis_url):
    client = make_client(refresh_budget=1000, memory_cache_bytes=2**20)
    look(client, "hot", times=2)
    with redis.Redis.from_url(redis_url) as store:
        store.config_resetstat()
        look(client, "hot", times=50)
        calls = store.info("commandstats")

    assert "cmdstat_zincrby" not in calls
    assert "cmdstat_get" not in calls


def test_views_are_flushed_to_redis_every_few_seconds(make_client, redis_url, monkeypatch):
    monkeypatch.setattr(popularity, "FLUSH_SECONDS", 0.05)
    client = make_client(refresh_budget=1000)
    counted = client.application.extensions["services"].popularity
    look(client, "hot")
    with redis.Redis.from_url(redis_url) as store:
        for total in (3, 6):
            look(client, "hot", times=3)
            wait_until(lambda n=total: [n] == [found for _, found in store.zscan("thumb:views")[1]], "the flush")
            wait_until(lambda: counted._flusher is None, "the end of an idle flusher")


def test_views_are_bounded_in_the_process_and_in_redis(web, refresher, redis_url, monkeypatch):
    monkeypatch.setattr(popularity, "MAX_LOCAL", 3)
    monkeypatch.setattr(refresher.popularity, "_most", 4)
    for number in range(5):
        look(web, f"first{number}", times=2)
    refresher.popularity.flush()
    with redis.Redis.from_url(redis_url) as store:
        assert store.zcard("thumb:views") == 3
        for number in range(3):
            look(web, f"second{number}", times=4)
        refresher.popularity.flush()
        kept = [ViewedPage.unpack(member).request.target.netloc for member in store.zrange("thumb:views", 0, -1)]

    assert len(kept) == 4
    assert {f"second{number}.example.com" for number in range(3)} < set(kept)


def test_hits_are_served_when_views_cannot_be_counted(make_client):
    client = make_client(refresh_budget=1000, redis_url="redis://127.0.0.1:1/0", memory_cache_bytes=2**20)
    look(client, "any")
    assert look(client, "any").headers["X-Cache"] == "HIT"

    client.application.extensions["services"].popularity.flush()
    assert look(client, "any").headers["X-Cache"] == "HIT"


def test_an_entry_of_another_version_is_skipped(web, refresher, redis_url):
    look(web, "ours", times=2)
    refresher.popularity.flush()
    age_pictures(redis_url, seconds=DAY + 10)
    with redis.Redis.from_url(redis_url) as store:
        store.zadd("thumb:views", {'{"at": 1, "capture": {"colour": "red"}}': 99, "no JSON": 98})

    assert chosen(refresher) == ["ours.example.com"]


@pytest.mark.slow
def test_beat_has_the_worker_recapture_popular_pages(make_client, settings, redis_url, api, tmp_path):
    """Only those, and only once, although a message may come twice and a page may fail."""
    settings |= {"refresh_budget": 100_000, "cache_ttl": 3600, "resolve_targets": False}
    client = make_client()
    counted = client.application.extensions["services"]
    store = counted.jobs.store
    for page in ("liked", "broken"):
        look(client, page, times=2)
    look(client, "ignored")
    counted.popularity.flush()
    age_pictures(redis_url, seconds=3700)
    viewed = list(counted.popularity.most_viewed())
    messages = [TaskMessage(RECAPTURE, BULK, page.pack()) for page in viewed]
    api.behave(refuse(404, "not_found"), url="https://broken.example.com/")
    log = tmp_path / "worker.log"
    with running_worker(log, FAST_CLOCK, **settings), running_beat(tmp_path / "beat.log", FAST_CLOCK, **settings):
        wait_until(lambda: b'"refreshed"' in log.read_bytes(), "the refresh")
        wait_until(lambda: b'"refresh_refused"' in log.read_bytes(), "the failure")
        wait_until(lambda: not any(map(store.agenda.holds, messages)), "the end of both")
        for page in viewed:
            counted.thumbnailer.forget_failure(page.request, time.time())  # no remembered failure must prevent it,
        _wait_for_rounds(log, 4)  # nor that of the worker's process, which lasts for three seconds
        counted.jobs.send(messages)
        wait_until(lambda: store.stats().queued["bulk"] == 0, "the repeated messages")
        _wait_for_rounds(log, 2)

    captured = Counter(call.params["url"].split(".")[0].removeprefix("https://") for call in api.calls)
    assert captured == {"liked": 2, "broken": 2, "ignored": 1}
    assert look(client, "liked").headers["X-Cache"] == "HIT"


def test_no_page_is_refreshed_while_too_much_work_is_due(make_client, redis_url):
    built = make_client(refresh_budget=10**5, job_queue_limit=1).application.extensions["services"]
    agenda, waiting = built.jobs.store.agenda, TaskMessage(RECAPTURE, BULK, "a-page-that-waits")
    look(make_client(refresh_budget=10**5), "liked")
    client = make_client(refresh_budget=10**5)
    look(client, "liked")
    client.application.extensions["services"].popularity.flush()
    age_pictures(redis_url, seconds=DAY + 10)
    agenda.schedule(waiting, 60)
    tasks.refresh(built)
    assert agenda.outstanding() == 1, "the one that waited before"
    agenda.remove(waiting)
    tasks.refresh(built)
    assert agenda.outstanding() == 1


@pytest.mark.slow
def test_a_refresh_over_the_bulk_limit_is_postponed(make_client, settings, redis_url, api, tmp_path):
    settings |= {"refresh_budget": 1000, "cache_ttl": 3600, "resolve_targets": False, "bulk_limit": "1 per day"}
    client = make_client()
    counted = client.application.extensions["services"]
    look(client, "liked", times=2)
    counted.popularity.flush()
    age_pictures(redis_url, seconds=3700)
    (page,) = counted.popularity.most_viewed()
    message = TaskMessage(RECAPTURE, BULK, page.pack())
    counted.jobs.store.agenda.schedule(message, 0)
    with redis.Redis.from_url(redis_url) as store, running_worker(tmp_path / "worker.log", **settings):
        turn = lambda: store.zscore("thumb:{jobs}:due", str(message)) - store.time()[0]  # noqa: E731
        wait_until(lambda: turn() > 1000, "the postponement")  # longer than until a lost message is resent

    assert len(api.calls) == 1


def _wait_for_rounds(log, count):
    """Wait for some more rounds of beat and worker, of a second each."""
    before = log.read_bytes().count(b'"queue_stats"')
    wait_until(lambda: log.read_bytes().count(b'"queue_stats"') >= before + count, "more rounds")
