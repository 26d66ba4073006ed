"""`make demo-data`, against a real web process and a stand-in for the worker."""

import threading
from datetime import UTC, datetime, timedelta

import pytest

from demo.sites import table
from images import CpuPool
from scripts import demo_data
from sites import Filters, VersionStore
from sites.claims import Claims
from sites.recorder import Recorder
from tests.support.catalogue import page
from tests.support.databases import ON_SQLITE
from tests.support.preloaded import production_environ, run_python
from tests.support.processes import wait_until
from tests.support.web import running_web

DEMO = "http://127.0.0.1:8002"
MINUTE = timedelta(minutes=1)


@pytest.fixture
def settings(settings):
    return settings | {"private_targets": ("127.0.0.1:8002",)}


@pytest.fixture
def web(built, settings, tmp_path):
    given = {name: settings[name] for name in ("redis_url", "database_url", "persist_dir", "originals")}
    with running_web(tmp_path / "log", **given, private_targets="127.0.0.1:8002", web_concurrency=1) as url:
        yield url


@pytest.fixture
def _captures(built):
    """Capture what is due, each time with another picture."""
    claims, done = Claims(built.database, 3 * MINUTE, MINUTE), threading.Event()
    recorder = Recorder(VersionStore(built.database, built.storage, CpuPool(1)))

    def work():
        number = 0
        while not done.wait(0.05):
            for claim in claims.claim_due(10):
                site, begun = claims.begin(claim)
                number += 1
                recorder.record(begun, site, page(number % 90 + 10, at=datetime.now(UTC)))

    thread = threading.Thread(target=work)
    thread.start()
    yield
    done.set()
    thread.join()


@pytest.mark.slow
@ON_SQLITE
@pytest.mark.usefixtures("_captures")
def test_the_sites_of_the_demo_get_a_history(web, built, tmp_path, monkeypatch):
    monkeypatch.setattr(demo_data, "table", lambda demo: table(demo, 3))
    monkeypatch.setattr(demo_data, "POLL_SECONDS", 0.1)
    clock = tmp_path / "clock"
    built.importer.prepare(built.list_reader.read_body(table(DEMO, 1).encode())).run()  # as on a fresh machine
    wait_until(lambda: built.catalogue.counts().ready == 4, "four captures")
    demo_data.fill(demo_data.RunningService(web, None), DEMO, clock)

    sites = built.catalogue.find(Filters(tags=("demo",))).sites
    assert len(sites) == 6
    assert {len(built.history.versions(site.id)) for site in sites} == {1 + len(demo_data.DAYS)}
    assert clock.read_text() == "30"


@pytest.mark.slow
@ON_SQLITE
def test_a_fresh_catalogue_gets_a_few_sites_that_are_due(built, redis_url, database_url, tmp_path):
    env = production_environ() | {"DATABASE_URL": database_url, "REDIS_URL": redis_url}
    env |= {"DEMO_PORT": "8002", "PRIVATE_TARGETS": "127.0.0.1:8002"}
    assert run_python("scripts.demo_data", "first", cwd=tmp_path, env=env).returncode == 0
    counts = built.catalogue.counts()
    assert counts.total == counts.due == 3 + demo_data.FIRST
    assert all(site.url.startswith(DEMO) for site in built.catalogue.find(Filters(limit=100)).sites)


def test_without_a_service_it_says_what_to_do(tmp_path):
    with pytest.raises(SystemExit, match="Start it by `make run` first"):
        demo_data.fill(demo_data.RunningService("http://127.0.0.1:1", None), DEMO, tmp_path / "clock")
