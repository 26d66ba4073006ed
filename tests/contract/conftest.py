"""The service as its own clients meet it: over HTTP, with keys, with a worker at work."""

import sys
import threading
from contextlib import closing, contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
import redis

import services
import sites.migrate
import tasks
from app import create_app
from config import Settings
from jobs import CAPTURE, CAPTURE_SITE
from tests.support.browser import serving
from tests.support.screenshot_api import running_screenshot_api

sys.path.insert(0, str(Path(__file__).parents[2] / "clients" / "python"))
API_KEY = "correct-horse-battery"
SIGNING_KEY = "a-signing-key-of-32-characters-xx"


@pytest.fixture(scope="module")
def service(redis_server, tmp_path_factory):
    """Its `url` and keys, and the `api` that takes its pictures."""
    folder = tmp_path_factory.mktemp("service")
    with running_screenshot_api("engine") as api:
        settings = Settings.of(
            redis_url=redis_server.url,
            redis_prefix=folder.name,
            capture_url=api.url,
            persist_dir=folder / "media",
            database_url=f"sqlite:///{folder}/thumbnails.db",
            originals="redis",
            api_keys=f"cms:{API_KEY}",
            signing_keys=(SIGNING_KEY,),
            persist_limit="100 per minute",
        )
        sites.migrate.upgrade(settings.database_url)
        built = services.build(settings, lambda _name: ["93.184.216.34"])
        built.jobs.store.workers.announce()
        with closing(built), serving(create_app(settings, built)) as url, working(built):
            yield SimpleNamespace(url=url, api=api, api_key=API_KEY, signing_key=SIGNING_KEY)


@contextmanager
def working(built):
    """Do what beat and the worker do, until the block ends."""
    ended = threading.Event()

    def work():
        with redis.Redis.from_url(built.settings.redis_url) as state:
            while not ended.wait(0.05):
                built.jobs.store.workers.announce()
                tasks.capture_sites(built)
                for name in state.scan_iter(f"{built.settings.redis_prefix}*{{jobs}}:due"):
                    for message, _ in state.zrange(name, 0, -1, withscores=True):
                        kind, queue, subject, turn = message.decode().split(" ")
                        if kind == CAPTURE:
                            tasks.capture(built, subject, int(turn), queue)
                        elif kind == CAPTURE_SITE:
                            tasks.capture_site(built, subject, int(turn), queue)

    worker = threading.Thread(target=work)
    worker.start()
    try:
        yield
    finally:
        ended.set()
        worker.join()
