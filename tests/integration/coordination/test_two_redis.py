"""Pictures in one Redis, limits, jobs and all else that must not be evicted in another; or both in one."""

from contextlib import ExitStack

import pytest
import redis

from tests.support.redis import running_redis
from tests.support.visitors import PAGE, get

OTHER = "https://example.org/"
IDEMPOTENT = {"Idempotency-Key": "order-1"}


@pytest.fixture(scope="module")
def servers():
    """A cache that evicts, and a state that does not, both small."""
    with ExitStack() as stack:
        cache = stack.enter_context(running_redis("--maxmemory", "4mb", "--maxmemory-policy", "allkeys-lru"))
        state = stack.enter_context(running_redis("--maxmemory", "16mb", "--maxmemory-policy", "noeviction"))
        yield cache, state


class Two:
    def __init__(self, cache, state):
        self.cache, self.state = cache, state


@pytest.fixture
def two(servers, settings):
    """Clients of both servers, which the application of the test uses."""
    cache, state = servers
    settings |= {"redis_url": cache.url, "state_redis_url": state.url}
    with redis.Redis.from_url(cache.url) as one, redis.Redis.from_url(state.url) as other:
        for client, limit in ((one, "4mb"), (other, "16mb")):
            client.flushall()
            client.config_set("maxmemory", limit)
        yield Two(one, other)


def used_memory(client):
    return client.info("memory")["used_memory"]


def names(client):
    return {key.decode().split(":")[1] for key in client.scan_iter()}


def post_job(client, url=PAGE, **headers):
    return client.post("/screenshots", json={"url": url}, headers=headers)


def test_pictures_lie_in_the_cache_and_all_else_in_the_state(make_client, two):
    client = make_client()
    get(client)
    post_job(client)
    client.post("/persist", json={"url": PAGE}, headers=IDEMPOTENT)
    assert client.get("/ready").status_code == 200
    assert names(two.cache) == {"picture", "original", "ready"}
    assert names(two.state) >= {"limits", "{jobs}", "celery", "{idempotency}", "{captures}", "ready"}
    assert not names(two.state) & {"picture", "original"}


def fill_with_pictures(client, cache):
    """Evict all that was in the cache before, by other pictures."""
    known = set(cache.keys())
    for number in range(200):
        cache.set(f"thumb:picture:{number}", bytes(100_000), ex=1000)
    assert not known & set(cache.keys()), "the cache is too large for this test"


@pytest.mark.parametrize("loss", ["flushed", "full"])
def test_limits_jobs_and_idempotency_outlive_the_cache(make_client, two, api, loss):
    client = make_client(thumb_limit="2 per hour", persist_limit="1 per hour")
    get(client)
    job = post_job(client, **IDEMPOTENT)
    persisted = client.post("/persist", json={"url": PAGE}, headers=IDEMPOTENT)
    two.cache.flushall() if loss == "flushed" else fill_with_pictures(client, two.cache)

    assert get(client).headers["X-Cache"] == "MISS", "a lost picture is captured again"
    assert get(client, OTHER).status_code == 429, "and counted"
    assert client.get(job.headers["Location"]).json["status"] == "pending"
    assert post_job(client, **IDEMPOTENT).data == job.data
    assert client.post("/persist", json={"url": PAGE}, headers=IDEMPOTENT).data == persisted.data
    assert client.get("/ready").status_code == 200


def test_a_full_state_refuses_jobs_and_says_so_while_pictures_are_served(make_client, two, capsys):
    client = make_client(thumb_limit="2 per hour")
    get(client)
    two.state.config_set("maxmemory", "100kb")

    refused = post_job(client)
    assert (refused.status_code, refused.json["code"]) == (503, "over_capacity")
    assert get(client).headers["X-Cache"] == "HIT"
    assert get(client, OTHER).headers["X-Cache"] == "MISS"
    assert get(client, OTHER).headers["X-Cache"] == "HIT", "the cache takes pictures"
    ready = client.get("/ready")
    assert ready.status_code == 503
    assert (ready.json["cache"], ready.json["state"], ready.json["limits"]) == ("ok", "unreachable", "memory")
    assert client.post("/persist", json={"url": PAGE}, headers=IDEMPOTENT).status_code == 201
    output = capsys.readouterr().out
    assert "redis=state" in output
    assert "redis=cache" not in output


def test_without_the_cache_limits_still_hold_and_jobs_are_taken(make_client, two, capsys):
    client = make_client(redis_url="redis://127.0.0.1:1/0", thumb_limit="2 per hour")
    assert [get(client).headers["X-Cache"] for _ in range(2)] == ["BYPASS"] * 2
    assert get(client).status_code == 429
    assert post_job(client).status_code == 202
    ready = client.get("/ready").json
    assert (ready["cache"], ready["state"], ready["limits"]) == ("unreachable", "ok", "redis")
    assert "redis=cache" in capsys.readouterr().out


def test_without_the_state_known_pictures_are_served_from_the_cache(make_client, two):
    get(make_client())
    client = make_client(state_redis_url="redis://127.0.0.1:1/0")
    assert get(client).headers["X-Cache"] == "HIT"
    assert get(client, OTHER).headers["X-Cache"] == "MISS"
    assert get(client, OTHER).headers["X-Cache"] == "HIT"
    assert post_job(client).json["code"] == "queue_unavailable"


def test_two_installations_on_one_redis_share_nothing(make_client, two):
    here, there = (
        make_client(redis_prefix=prefix, thumb_limit="1 per hour", state_redis_url=None) for prefix in ("here", "there")
    )
    job = post_job(here, **IDEMPOTENT)
    assert [get(each).headers["X-Cache"] for each in (here, there)] == ["MISS", "MISS"]
    assert get(here, OTHER).status_code == 429
    assert there.get(job.headers["Location"]).status_code == 404
    assert post_job(there, OTHER, **IDEMPOTENT).status_code == 202, "the key is known here alone"
    assert there.application.extensions["services"].jobs.store.stats().jobs["pending"] == 1
    assert {key.decode().split(":")[0] for key in two.cache.scan_iter()} == {"here", "there"}
    assert two.state.keys() == []


@pytest.mark.parametrize(
    ("policies", "event"),
    [
        (("allkeys-lru", "noeviction"), None),
        (("volatile-lru", "noeviction"), None),
        (("allkeys-lru", "volatile-lru"), "state_evictable"),
        (("noeviction", "noeviction"), "cache_unevictable"),
    ],
)
def test_a_policy_that_does_not_fit_causes_a_warning(make_client, two, capsys, policies, event):
    try:
        for client, policy in zip((two.cache, two.state), policies, strict=True):
            client.config_set("maxmemory-policy", policy)
        make_client().application.extensions["services"].warn_about_redis()
    finally:
        two.cache.config_set("maxmemory-policy", "allkeys-lru")
        two.state.config_set("maxmemory-policy", "noeviction")
    output = capsys.readouterr().out
    assert (output == "") if event is None else (event in output)


@pytest.mark.parametrize(
    ("policy", "risk"),
    [("noeviction", "limits, jobs and pictures are refused"), ("volatile-lru", "limits and jobs are evicted")],
)
def test_one_redis_for_both_causes_a_warning_that_says_what_it_means(make_client, two, capsys, policy, risk):
    """Two databases of one server fill up together too."""
    url = f"redis://127.0.0.1:{two.state.connection_pool.connection_kwargs['port']}"
    two.state.config_set("maxmemory-policy", policy)
    try:
        for changes in ({"state_redis_url": None}, {"state_redis_url": f"{url}/1"}):
            client = make_client(redis_url=f"{url}/0", **changes)
            client.application.extensions["services"].warn_about_redis()
            output = capsys.readouterr().out
            assert "redis_shared" in output
            assert risk in output
            assert "STATE_REDIS_URL" in output
    finally:
        two.state.config_set("maxmemory-policy", "noeviction")


def test_one_redis_that_is_away_causes_the_warning_too(make_client, two, capsys):
    client = make_client(redis_url="redis://127.0.0.1:1/0", state_redis_url=None)
    client.application.extensions["services"].warn_about_redis()
    assert "by its policy" in capsys.readouterr().out


def test_jobs_leave_room_for_limits_and_leases_in_the_state(make_client, two, api):
    """One client fills the state with jobs. The limits of another still hold, for all processes."""
    client = make_client(job_limit="10000 per hour", thumb_limit="1 per hour")
    body = {"urls": [f"{PAGE}{'x' * 500}{number}" for number in range(100)]}
    two.state.config_set("maxmemory", used_memory(two.state) + 2 * 2**20)
    statuses = []
    while not statuses or statuses[-1] == 202:
        refused = client.post("/screenshots", json=body, environ_base={"REMOTE_ADDR": "10.1.1.1"})
        statuses.append(refused.status_code)
    assert (statuses[-1], refused.json["code"]) == (503, "over_capacity")
    assert "the memory for jobs is full" in refused.json["detail"]
    assert int(refused.headers["Retry-After"]) > 0

    assert get(client).status_code == 200
    assert get(make_client(thumb_limit="1 per hour"), OTHER).status_code == 429
    assert client.get("/ready").status_code == 200


def test_in_a_state_that_is_nearly_full_a_new_order_replaces_the_oldest(make_client, two):
    client, index = make_client(persist_limit="100 per hour"), "thumb:{idempotency}:index"
    persist = lambda key: client.post("/persist", json={"url": PAGE}, headers={"Idempotency-Key": key})  # noqa: E731
    for number in range(3):
        persist(f"order-{number}")
    two.state.config_set("maxmemory", int(used_memory(two.state) * 1.05))
    oldest, *others = two.state.zrange(index, 0, -1)
    persist("order-3")
    *kept, newest = two.state.zrange(index, 0, -1)
    assert kept == others
    assert (two.state.exists(newest), two.state.exists(oldest)) == (1, 0)
