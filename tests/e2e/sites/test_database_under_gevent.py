"""A database that makes a request wait delays no other request of the same web process, on either database."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
import requests

from sites.database import engine_url, make_engine
from tests.support.databases import ON_SQLITE
from tests.support.preloaded import ROOT
from tests.support.redis import running_redis
from tests.support.screenshot_api import running_screenshot_api
from tests.support.web import running_web

PICTURE = "/thumb?url=https://example.com/&w=160"


@pytest.fixture
def web(database_url, tmp_path):
    """One web process: gunicorn with a single gevent worker."""
    with (
        running_redis() as redis,
        running_screenshot_api("snapsharp", "sk_live_test") as api,
        running_web(
            tmp_path / "web.log",
            redis_url=redis.url,
            snapsharp_api_key="sk_live_test",
            capture_url=api.url,
            resolve_targets="false",
            persist_dir=tmp_path / "media",
            web_concurrency=1,
            database_url=database_url,
        ) as url,
    ):
        yield url


@contextmanager
def locked(database_url):
    """Let all writes to the catalogue wait."""
    engine = make_engine(engine_url(database_url)).execution_options(writes=True)
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("LOCK TABLE sites IN ACCESS EXCLUSIVE MODE")
        yield
    engine.dispose()


def add(web, name):
    return requests.post(f"{web}/sites", json={"url": f"https://{name}.example/"}, timeout=30)


def test_pictures_are_served_while_a_write_waits_for_another_writer(web, database_url):
    requests.get(web + PICTURE, timeout=30)

    with ThreadPoolExecutor(2) as pool:
        with locked(database_url):
            waiting = [pool.submit(add, web, name) for name in "ab"]
            hits = [requests.get(web + PICTURE, timeout=3) for _ in range(20)]
            assert not any(each.done() for each in waiting)
        added = [each.result() for each in waiting]

    assert {hit.headers["X-Cache"] for hit in hits} == {"HIT"}
    assert [response.status_code for response in added] == [201, 201]


@ON_SQLITE
def test_sites_are_read_while_a_write_waits_for_another_writer(web, database_url):
    with ThreadPoolExecutor(6) as pool:
        with locked(database_url):
            waiting = [pool.submit(add, web, name) for name in "abcdef"]
            read = [requests.get(f"{web}/sites", timeout=3) for _ in range(10)]
            assert not any(each.done() for each in waiting)
        added = [each.result() for each in waiting]

    assert {response.status_code for response in read} == {200}
    assert {response.status_code for response in added} == {201}


def test_more_requests_than_connections_are_all_answered(web):
    with ThreadPoolExecutor(40) as pool:
        added = list(pool.map(lambda number: add(web, f"s{number}"), range(80)))
        listed = list(pool.map(lambda _: requests.get(f"{web}/sites?limit=100", timeout=30), range(80)))

    assert {response.status_code for response in added} == {201}
    assert {(response.status_code, json.loads(response.text)["total"]) for response in listed} == {(200, 80)}


# Native threads change places so often that those of one database would soon wait for each other in SQLAlchemy.
MANY_AT_ONCE = """
from gevent import monkey
monkey.patch_all()
import sys, gevent
from sqlalchemy import select
from sites.database import Database
from sites.models import SiteRow
sys.setswitchinterval(1e-5)
for _ in range(30):
    database = Database(sys.argv[1])
    reads = [gevent.spawn(database.read, lambda session: session.scalar(select(SiteRow.id))) for _ in range(100)]
    gevent.joinall(reads, timeout=20)
    assert all(each.ready() for each in reads), "some wait for ever"
    database.close()
print("all answered", flush=True)
"""


@ON_SQLITE
def test_no_request_of_many_at_once_waits_for_ever(database_url):
    command = [sys.executable, "-c", MANY_AT_ONCE, database_url]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert ended.stdout == "all answered\n", ended.stderr
