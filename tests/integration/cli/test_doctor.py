"""`thumbnails doctor`: each line is in order, or says what to do."""

import json
import resource
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import redis

import tasks
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
    tasks.queue_stats(built)  # which beat has sent
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
        "beat",
        "DNS",
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


def test_of_several_engines_each_finding_says_which_one_it_is_about(make_built):
    with running_site() as one, running_site() as other:
        one.add("/health", json.dumps({"sandbox": True, "isolation": "namespace"}))
        other.add("/health", json.dumps({"sandbox": False, "isolation": "flags"}))
        built = make_built(capture_api="engine", capture_url=f"{one.url('')},{other.url('')}")
        found = facts(runner_for(built)("--json", "doctor"))["findings"]

    for subject in ("sandbox", "isolation"):
        words = {each["words"].partition(": ")[0]: each["verdict"] for each in found if each["subject"] == subject}
        assert list(words.values()) == ["ok", "warning"]
        assert [one.url(""), other.url("")] == [each.rstrip("/") for each in words]


@pytest.fixture
def late():
    """The URL of a server whose clock is a minute late."""

    class Late(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(404)
            self.end_headers()

        do_PUT = do_HEAD = do_GET  # noqa: N815 - as http.server names them

        def date_time_string(self, timestamp=None):
            return super().date_time_string(time.time() - 60)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Late) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_clock_of_an_engine_that_is_wrong_is_found(make_built, late):
    found, status = examined(make_built(capture_api="engine", capture_url=f"http://127.0.0.1:1,{late}"))

    assert (found["clock"]["verdict"], status) == ("failed", 1)
    assert late in found["clock"]["words"]  # the second of two engines


def test_a_clock_of_s3_that_is_wrong_is_found(make_built, late, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    found, _ = examined(make_built(s3_bucket="pics", s3_region="us-east-1", s3_endpoint_url=late))

    assert (found["clock"]["verdict"], found["storage"]["verdict"]) == ("failed", "failed")
    assert found["clock"]["words"] == "S3 is -60 s from this machine"


def test_a_disk_that_is_nearly_full_is_found(make_built):
    found, _ = examined(make_built(persist_min_free=1 << 50))

    assert found["disk"]["verdict"] == "warning"
    assert "set PERSIST_DIR to another disk" in found["disk"]["advice"]


def test_the_folder_of_nginx_is_judged(make_built, tmp_path):
    (tmp_path / "edge").mkdir()
    there, _ = examined(make_built(nginx_cache_dir=tmp_path / "edge"))
    missing, status = examined(make_built(nginx_cache_dir=tmp_path / "egde"))

    assert there["nginx"]["verdict"] == "ok"
    assert (missing["nginx"]["verdict"], status) == ("failed", 1)
    assert "NGINX_CACHE_DIR" in missing["nginx"]["advice"]


def test_a_cache_that_does_not_confirm_a_purge_is_found(make_built):
    built = make_built(purge_urls="http://127.0.0.1:1")
    assert built.purging.in_front.tell(["p-1"], 1.0) == {"http://127.0.0.1:1": "retrying"}
    assert examined(built)[0]["purges"]["verdict"] == "ok"  # it was purged just now
    state, then = built.connections.state, time.time() - 500
    state.client.hset(state.keys.purges_pending("http://127.0.0.1:1"), "p-1", f"1.0 {then!r} {then!r}")
    found, status = examined(built)

    assert (found["purges"]["verdict"], status) == ("failed", 1)
    assert "http://127.0.0.1:1 has not confirmed one for 50" in found["purges"]["words"]


def test_scripts_without_a_font_are_named(make_built, tmp_path, monkeypatch):
    for name in ("fc-match", "fc-list"):
        program = tmp_path / name
        program.write_text('#!/bin/sh\ncase "$1" in *lang=ar*) ;; *) echo Sans ;; esac\n', encoding="ascii")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    found, _ = examined(make_built(capture_api="engine", capture_url="http://127.0.0.1:1"))

    assert found["fonts"]["words"] == "this machine has none for Arabic"
    assert found["fonts"]["verdict"] == "warning"


@pytest.mark.parametrize(
    ("answer", "verdict", "words"),
    [
        (socket.gaierror(socket.EAI_NONAME, "no such name"), "ok", "a look-up took"),
        (socket.gaierror(socket.EAI_AGAIN, "try again"), "failed", "no name server answers"),
        (None, "warning", "names that do not exist"),
    ],
)
def test_a_name_server_that_lies_or_is_silent_is_found(make_built, monkeypatch, answer, verdict, words):
    real = socket.getaddrinfo

    def answered(host, *rest, **more):
        if not str(host).endswith(".invalid"):
            return real(host, *rest, **more)
        if answer:
            raise answer
        return real("127.0.0.1", *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", answered)
    found, _ = examined(make_built(resolve_targets=True))

    assert found["DNS"]["verdict"] == verdict
    assert words in found["DNS"]["words"]


def test_a_process_of_the_service_with_few_open_files_left_is_found(built):
    code = "import os, sys; kept = [os.dup(0) for _ in range(50)]; print(flush=True); sys.stdin.read()"
    command = [sys.executable, "-S", "-c", code, "celery", "worker"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, **pipes) as worker:
        worker.stdout.readline()
        resource.prlimit(worker.pid, resource.RLIMIT_NOFILE, (60, 60))
        done = runner_for(built)("--json", "doctor")
        worker.stdin.close()
    lines = [each for each in facts(done)["findings"] if each["subject"] == "open files"]

    assert any(f"worker, process {worker.pid}: 5" in each["words"] and " of 60" in each["words"] for each in lines)
    assert {each["verdict"] for each in lines} == {"warning"}


def test_an_outlet_that_is_not_there_or_is_none_is_found(make_built):
    def judged(where):
        found, _ = examined(make_built(lists_egress=where))
        return found["outlet"]["verdict"], found["outlet"]["words"], found["outlet"]["advice"]

    def greet(server):
        for answer in (b"\5\0", b"HT"):
            with server.accept()[0] as connection:
                connection.recv(3)
                connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=greet, args=(server,), daemon=True).start()
        there = f"127.0.0.1:{server.getsockname()[1]}"
        assert judged(there) == ("ok", f"answers on {there}", "")
        assert judged(there) == ("failed", f"{there} is no outlet", "check LISTS_EGRESS")
    verdict, words, advice = judged("127.0.0.1:1")
    assert (verdict, "refused" in words, "engine.outlet" in advice) == ("failed", True, True)


def test_a_beat_that_is_missing_is_found(built, redis_url):
    assert examined(built)[0]["beat"]["advice"] == "start a worker first"
    built.jobs.store.workers.announce()
    assert examined(built)[0]["beat"]["words"].startswith("none was seen yet")
    tasks.queue_stats(built)
    assert examined(built)[0]["beat"]["verdict"] == "ok"
    with redis.Redis.from_url(redis_url) as client:
        client.hincrbyfloat(built.connections.state.keys.jobs_counts(), "beat", -300)
    found, status = examined(built)
    assert (found["beat"]["verdict"], found["beat"]["advice"], status) == (
        "failed",
        "start one: celery --app worker beat",
        1,
    )


def test_json_after_the_command_is_put_right(built):
    done = runner_for(built)("doctor", "--json")

    assert (done.exit_code, "write --json before the command" in done.stderr) == (2, True)
    assert "No such option '--jsn'" in runner_for(built)("doctor", "--jsn").stderr


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
