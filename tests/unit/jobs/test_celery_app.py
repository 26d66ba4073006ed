"""Celery uses the Redis of the setting, however its URL is spelled; it bounds tasks and loses none."""

import pytest
import redis
from kombu.transport.redis import Channel

from config import Settings
from coordination import FollowingPool
from jobs import BULK, JobQueue, JobStore, TaskMessage, celery_app
from jobs.beat import BoundedScheduler
from tests.support.redis import as_state, running_redis


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://cache.example", {"host": "cache.example", "port": 6379, "db": 0}),
        ("redis://u:p%40@cache.example:1/3", {"port": 1, "db": 3, "username": "u", "password": "p@"}),
        ("redis://cache.example?db=3&health_check_interval=5", {"host": "cache.example", "db": 3}),
        ("rediss://:pw@cache.example:6380/1", {"host": "cache.example", "port": 6380, "db": 1, "password": "pw"}),
    ],
)
def test_the_broker_is_the_redis_that_the_setting_names(url, expected):
    with celery_app(url).connection_for_write() as connection:
        channel = Channel.__new__(Channel)
        channel.connection = type("Transport", (), {"client": connection, "default_port": 6379})
        params = channel._connparams()
    assert {name: params[name] for name in expected} == expected
    assert ("SSL" in params["connection_class"].__name__) is url.startswith("rediss")


SENTINELS = "one.example,two.example:5000,[::1]:26380"


@pytest.mark.parametrize(
    ("url", "expected", "asked_with"),
    [
        (f"redis+sentinel://{SENTINELS}/thumbs", {"db": 0, "username": None, "password": None}, {}),
        (f"redis+sentinel://:p%3B%40@{SENTINELS}/thumbs/2", {"db": 2, "username": None, "password": "p;@"}, {}),
        (
            f"redis+sentinel://u:pw@{SENTINELS}/thumbs/0?sentinel_username=su&sentinel_password=s%3Bp",
            {"username": "u", "password": "pw"},
            {"username": "su", "password": "s;p"},
        ),
        (f"rediss+sentinel://{SENTINELS}/thumbs/0?ssl_ca_certs=/ca.pem", {"db": 0}, {"ssl_ca_certs": "/ca.pem"}),
    ],
)
def test_the_broker_asks_every_sentinel_for_the_service(url, expected, asked_with):
    with celery_app(url).connection_for_write() as connection:
        kind = connection.get_transport_cls().Channel
        channel = kind.__new__(kind)
        channel.connection = type("Transport", (), {"client": connection, "default_port": 26379})
        for name, value in connection.transport_options.items():
            setattr(channel, name, value)
        pool = channel._sentinel_managed_pool()
    options = pool.connection_kwargs
    assert (type(pool), pool.service_name) == (FollowingPool, "thumbs")
    assert {name: options.get(name) for name in expected} == expected
    assert channel.global_keyprefix == "thumb:celery:"
    asked = [each.connection_pool.connection_kwargs for each in pool.sentinel_manager.sentinels]
    assert [(each["host"], each["port"]) for each in asked] == [
        ("one.example", 26379), ("two.example", 5000), ("::1", 26380)
    ]  # fmt: skip
    assert all(each.get(name) == value for each in asked for name, value in asked_with.items())
    assert all(("ssl_ca_certs" in each) is url.startswith("rediss") for each in (options, *asked))
    assert ("SSL" in pool.connection_class.__name__) is url.startswith("rediss")


def test_the_broker_s_certificate_is_verified():
    with celery_app("rediss://cache.example/0").connection_for_write() as connection:
        assert connection.ssl["ssl_cert_reqs"].name == "CERT_REQUIRED"


def test_a_task_has_ninety_seconds_and_thirty_more_and_its_message_lasts_as_long():
    conf = celery_app("redis://cache.example/0", time_limit=Settings.of().job_time_limit).conf

    assert (conf.task_soft_time_limit, conf.task_time_limit) == (90, 120)
    assert (conf.task_acks_late, conf.task_reject_on_worker_lost, conf.worker_prefetch_multiplier) == (True, True, 1)
    assert 120 < conf.broker_transport_options["visibility_timeout"] < 300


@pytest.mark.parametrize("database", [0, 2])
def test_a_message_goes_through_a_unix_socket_into_the_named_database(tmp_path, database):
    url = f"unix://{tmp_path}/redis.sock?db={database}"
    with running_redis("--unixsocket", f"{tmp_path}/redis.sock"), redis.Redis.from_url(url) as connection:
        queue = JobQueue(celery_app(url), JobStore(as_state(connection)))
        queue.send([TaskMessage("capture", BULK, "0")])
        assert queue.store.stats().queued[BULK] == 1
        queue.close()


def test_beat_sends_what_we_schedule_and_nothing_of_its_own(tmp_path):
    """Celery would remove old results every night at four, of which there are none. That message names no queue."""
    app = celery_app("redis://cache.example/0")
    app.conf.beat_schedule = {"ours": {"task": "ours", "schedule": 60, "options": {"queue": BULK}}}
    scheduler = BoundedScheduler(app, schedule_filename=str(tmp_path / "schedule"))
    assert list(scheduler.schedule) == ["ours"]
    scheduler.close()
