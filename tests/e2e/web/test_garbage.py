"""A full garbage collection holds all requests, so it must look at little."""

import requests

from tests.support.processes import output_of
from tests.support.web import running_web_process

ENGINE = """
import gc
from engine.startup import run

async def serve(settings):
    print(len(gc.get_objects()), gc.get_freeze_count())
    return 0

run(serve)
"""


def test_a_collection_in_a_web_process_looks_at_nothing_that_was_imported(redis_url, tmp_path):
    with running_web_process(
        tmp_path / "web.log",
        prefix=("env",),  # or it would be forked from a process that has frozen its objects
        app="tests.support.garbage_app:app",
        redis_url=redis_url,
        originals_dir=tmp_path / "originals",
        database_url=f"sqlite:///{tmp_path}/thumbnails.db",
    ) as (url, _):
        found = requests.get(f"{url}/garbage", timeout=30).json()
    assert found["frozen"] > 100_000
    assert found["looked_at"] < 10_000


def test_a_collection_in_the_engine_looks_at_nothing_that_was_imported():
    looked_at, frozen = map(int, output_of(ENGINE).split())
    assert frozen > 30_000
    assert looked_at < 5_000
