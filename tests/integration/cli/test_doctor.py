"""`thumbnails doctor`: each line is in order, or says what to do."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import redis

from tests.support.command_line import facts, runner_for
from tests.support.databases import ON_SQLITE
from tests.support.preloaded import production_environ, run_python
from tests.support.site import running_site

pytestmark = ON_SQLITE


def examined(built):
    """The findings by subject, and the status of the command."""
    done = runner_for(built)("--json", "doctor")
    return {each["subject"]: each for each in facts(done)["findings"]}, done.exit_code


def test_a_service_that_lacks_nothing_is_in_order(built, redis_url):
    built.jobs.store.workers.announce()
    found, status = examined(built)

    assert {subject for subject, each in found.items() if each["verdict"] == "failed"} == set()
    assert status == 0
    assert {
        "settings",
        "redis",
        "database",
        "storage",
        "originals",
        "disk",
        "capture",
        "clock",
        "open files",
        "worker",
    } <= set(found)
    assert "share it" in found["redis"]["words"]  # one Redis for all


def test_people_get_a_line_for_each_and_what_to_do(built):
    done = runner_for(built)("doctor")

    assert done.exit_code == 1  # no worker runs
    assert "FAILED   worker" in done.stdout
    assert "-> start one: celery --app worker worker" in done.stdout
    assert "ok       storage" in done.stdout


@pytest.mark.parametrize(
    ("changes", "subject", "advice"),
    [
        (
            {"redis_url": "redis://127.0.0.1:1/0", "state_redis_url": "redis://127.0.0.1:1/1"},
            "redis (pictures)",
            "REDIS_URL",
        ),
        ({"capture_url": "http://127.0.0.1:1"}, "capture", "CAPTURE_URL"),
        ({"capture_api": "engine", "capture_url": "http://127.0.0.1:1"}, "engine", "CAPTURE_URL"),
        (
            {
                "capture_api": "engine,snapsharp",
                "capture_url": "http://127.0.0.1:1",
                "snapsharp_api_key": "sk_live_x",
                "snapsharp_url": "http://127.0.0.1:1",
            },
            "capture",
            "SNAPSHARP_URL",
        ),
        ({"database_url": "sqlite:////nowhere/thumbnails.db"}, "database", "DATABASE_URL"),
    ],
)
def test_what_cannot_be_reached_is_named_with_its_variable(make_built, changes, subject, advice):
    found, status = examined(make_built(**changes))

    assert found[subject]["verdict"] == "failed"
    assert advice in found[subject]["advice"]
    assert status == 1


def test_a_database_without_tables_is_to_be_migrated(make_built, tmp_path):
    (tmp_path / "new.db").touch()
    found, _ = examined(make_built(database_url=f"sqlite:///{tmp_path}/new.db"))

    assert found["database"]["advice"] == "run thumbnails migrate"


def test_policies_of_redis_are_judged(make_built, redis_server, redis_url):
    built = make_built(state_redis_url=f"{redis_url.rpartition('/')[0]}/1")
    with redis.Redis.from_url(redis_url) as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
        try:
            found, _ = examined(built)
        finally:
            client.config_set("maxmemory-policy", "noeviction")

    assert found["redis (state)"]["verdict"] == "warning"
    assert "noeviction" in found["redis (state)"]["advice"]
    assert "maxmemory" in found["redis (pictures)"]["advice"]


def test_the_sandbox_and_the_namespace_of_the_engine_are_told(make_built):
    with running_site() as engine:
        for sandbox, isolation, verdicts in (
            (True, "namespace", ("ok", "ok")),
            (False, "flags", ("warning", "warning")),
        ):
            state = {
                "browser": "Chromium 156",
                "captures": 3,
                "restarts": 1,
                "in_flight": 2,
                "queued": 5,
                "sandbox": sandbox,
                "isolation": isolation,
            }
            engine.add("/health", json.dumps(state))
            found, _ = examined(make_built(capture_api="engine", capture_url=engine.url("")))
            assert (found["sandbox"]["verdict"], found["isolation"]["verdict"]) == verdicts
            assert found["engine"]["words"] == "Chromium 156, 3 captures, 1 restarts; 2 run now, 5 wait"


def test_a_clock_that_is_wrong_is_found(make_built):
    class Late(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(404)
            self.end_headers()

        def date_time_string(self, timestamp=None):
            return super().date_time_string(time.time() - 60)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Late) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        late = f"http://127.0.0.1:{server.server_port}"
        found, status = examined(make_built(capture_api="engine", capture_url=f"http://127.0.0.1:1,{late}"))
        server.shutdown()

    assert (found["clock"]["verdict"], status) == ("failed", 1)
    assert late in found["clock"]["words"]  # the second of two engines


def test_the_command_runs_as_a_program(built, redis_url, database_url, tmp_path):
    env = production_environ() | {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "THUMB_LIMT": "1 per day"}
    done = run_python("cli", "--json", "doctor", cwd=tmp_path, env=env)
    findings = {each["subject"]: each for each in json.loads(done.stdout)["findings"]}

    assert done.returncode == 1
    assert "THUMB_LIMIT" in findings["settings"]["words"]


def test_an_invalid_setting_ends_the_command_with_its_name(tmp_path, database_url):
    done = run_python("cli", "doctor", cwd=tmp_path, env=production_environ() | {"CACHE_TTL": "soon"})

    assert (done.returncode, "CACHE_TTL is invalid" in done.stderr) == (1, True)


def test_the_servers_of_make_run_are_found(tmp_path, redis_url, database_url):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "run.env").write_text(f"REDIS_URL='{redis_url}'\n", encoding="utf-8")
    env = production_environ() | {"DATABASE_URL": database_url}
    env.pop("REDIS_URL", None)
    findings = json.loads(run_python("cli", "--json", "doctor", cwd=tmp_path, env=env).stdout)["findings"]

    assert [each["verdict"] for each in findings if each["subject"].startswith("redis")] == ["warning"]
