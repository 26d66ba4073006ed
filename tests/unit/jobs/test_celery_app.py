"""Celery uses the Redis of the setting, however its URL is spelled; it bounds tasks and loses none."""

import pytest
import redis
from kombu.transport.redis import Channel

from config import Settings
from jobs import BULK, JobQueue, JobStore, TaskMessage, celery_app
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
