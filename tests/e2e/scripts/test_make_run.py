"""`make run` as a person sees it: a real Redis, engine, gunicorn and Chromium, a pasted curl line, Ctrl-C."""

import io
import os
import re
import shlex
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest
import requests
from PIL import Image

from scripts.supervisor import descendants
from sites import migrate
from tests.support import leaks
from tests.support.processes import accepts, free_port, wait_until
from tests.support.site import running_site

ROOT = Path(__file__).resolve().parents[3]
REAL_SERVICES = (
    "REDIS_URL",
    "STATE_REDIS_URL",
    "CAPTURE_URL",
    "CAPTURE_API",
    "SNAPSHARP_API_KEY",
    "S3_BUCKET",
    "ENGINE_PORT",
    "DEMO_PORT",
)

pytestmark = pytest.mark.slow


class Run:
    """A running `make run`, without its set-up, and its output so far."""

    def __init__(self, process):
        self.process = process
        self.output = ""

    def read_until(self, pattern):
        for line in self.process.stdout:
            self.output += line
            leaks.search(line)
            if match := re.search(pattern, line):
                return match
        raise AssertionError(f"never printed {pattern}, but:\n{self.output}")

    def family(self):
        return list(descendants(self.process.pid))

    def press_ctrl_c(self):
        os.killpg(self.process.pid, signal.SIGINT)

    def wait(self):
        rest = self.process.stdout.read()
        self.output += rest
        leaks.search(rest)
        return self.process.wait(timeout=20)


@contextmanager
def running(tmp_path, path=(), **environ):
    """Run it without the packages that only tests have, with the modules in the folders `path` before all others."""
    environ = dict.fromkeys(REAL_SERVICES, "") | {"PORT": str(free_port()), "PERSIST_DIR": str(tmp_path)} | environ
    environ.setdefault("ORIGINALS_DIR", str(tmp_path / "originals"))
    environ |= {"REDIS_FOLDER": str(tmp_path / "redis"), "STATE_REDIS_FOLDER": str(tmp_path / "state")}
    environ |= {"BEAT_SCHEDULE": str(tmp_path / "beat-schedule")}
    environ.setdefault("DATABASE_URL", f"sqlite:///{tmp_path}/thumbnails.db")
    environ.setdefault("DEMO_PORT", str(free_port()))
    environ["PYTHONPATH"] = ":".join(map(str, [*path, ROOT / "tests/support/production"]))
    process = subprocess.Popen(
        [sys.executable, "-m", "scripts.run"],
        cwd=ROOT,
        env=os.environ | environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # a terminal's Ctrl-C reaches a whole process group
    )
    with process:
        try:
            yield Run(process)
        finally:
            if process.poll() is None:
                process.terminate()


def alive(pids):
    """List the `pids` that still run after a moment."""
    deadline = time.monotonic() + 5
    while (left := [pid for pid in pids if Path(f"/proc/{pid}").exists()]) and time.monotonic() < deadline:
        time.sleep(0.05)
    return left


def test_an_invalid_setting_is_told_once_and_stops_everything(tmp_path):
    with running(tmp_path, WEB_CONCURRENCY="1", CACHE_TTL="never") as run:
        assert run.wait() == os.EX_CONFIG
    assert run.output.splitlines()[1:] == ["CACHE_TTL is invalid: set it to a number of seconds from 60 to 2592000"]
    assert "restart" not in run.output


def test_a_database_that_a_newer_version_has_migrated_gets_one_clear_line(tmp_path):
    url = f"sqlite:///{tmp_path}/thumbnails.db"
    migrate.upgrade(url)
    with sqlite3.connect(tmp_path / "thumbnails.db") as database:
        database.execute("UPDATE alembic_version SET version_num = '9001'")
    database.close()

    with running(tmp_path, DATABASE_URL=url) as run:
        assert run.wait() == 1
    assert run.output.splitlines()[1].startswith(
        "The database has revision 9001, but this version of the service knows"
    )
    assert len(run.output.splitlines()) == 2


def test_a_port_in_use_gets_one_clear_line(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with running(tmp_path, PORT=str(port)) as run:
            assert run.wait() == 1
    assert run.output == (
        f"Cannot listen on 127.0.0.1:{port} (Address already in use). Choose another port: make run PORT={port + 1}\n"
    )


def readme_commands():
    """The shell commands of the README, in order."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return [line for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]


class FinishedRun(NamedTuple):
    """A `make run` from start to Ctrl-C. The commands that were pasted into a shell wrote into `folder`."""

    folder: Path
    pasted: dict[str, subprocess.CompletedProcess]
    admin: str
    picture: requests.Response
    metrics: dict[str, str]
    family: list[int]
    status: int
    output: str


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Paste the printed line and the README's curl commands, with another port and with a page of the demo instead of
    the one on the internet. Follow the link to the admin pages. Then kill the engine, and ask for a picture.
    """
    folder = tmp_path_factory.mktemp("run")

    def paste(command):
        return subprocess.run(shlex.split(command), cwd=folder, capture_output=True, timeout=60, check=False)

    with running(folder) as run:
        engine = int(run.read_until(r"engine started \(pid=(\d+)\)").group(1))
        measured = dict(part.split() for part in run.read_until("metrics +(.*)$").group(1).split(", "))
        link = run.read_until("admin +(http://.*)$").group(1)
        printed = run.read_until("^curl .*").group()
        web, demo = re.search(r"'(http://[^/]+)/thumb\?url=(.+?)&", printed).groups()
        pasted = {"the printed line": paste(printed)}
        for command in readme_commands():
            if command.startswith("curl "):
                here = command.replace("http://localhost:8000", web).replace("https://example.com/", demo)
                pasted[command] = paste(here)
        with requests.Session() as session:
            admin = session.get(link, timeout=60).url.removeprefix(web)
        scraped = {name: scrape(url) for name, url in measured.items()}
        os.kill(engine, signal.SIGKILL)
        run.read_until(r"engine ended \(rc=-9\) by itself; restart 1 of 3")
        run.read_until(r"engine \|.*ready")
        picture = requests.get(f"{web}/thumb", {"url": demo, "fresh": "1"}, timeout=60)
        family = run.family()
        run.press_ctrl_c()
        return FinishedRun(folder, pasted, admin, picture, scraped, family, run.wait(), run.output)


def scrape(url):
    """Read the metrics of a process that may have started last."""
    wait_until(lambda: accepts(urlsplit(url).port), url)
    return requests.get(url, timeout=10).text


def test_each_process_serves_its_metrics_where_it_is_printed(finished):
    shown = {
        name: re.findall(r'thumbnails_build_info{process="(\w+)"', text) for name, text in finished.metrics.items()
    }
    assert shown == {name: [name] for name in ("web", "worker", "engine", "beat")}
    assert 'thumbnails_pictures_served_total{cache="MISS"} 0.0' not in finished.metrics["web"]
    assert 'thumbnails_engine_captures_total{outcome="ok"} 0.0' not in finished.metrics["engine"]


def test_the_printed_line_gives_a_picture_and_ctrl_c_leaves_nothing_behind(finished):
    picture = Image.open(io.BytesIO((finished.folder / "thumb.png").read_bytes()))
    assert finished.pasted["the printed line"].returncode == 0
    assert (picture.format, picture.size) == ("PNG", (640, 360))
    assert len(picture.convert("RGB").quantize(64).getcolors()) > 8, "a picture of one colour shows no page"
    assert len(finished.family) > 12, (
        "two Redis servers, engine, browser, web and its workers, worker and its pool, beat, demo"
    )
    assert (finished.status, alive(finished.family)) == (0, [])


def test_a_process_that_dies_is_restarted_and_serves_again(finished):
    assert (finished.picture.status_code, finished.picture.headers["X-Cache"]) == (200, "MISS")


def test_the_printed_link_logs_in_to_the_admin_pages(finished):
    assert finished.admin == "/admin"


def test_a_run_has_no_setting_that_is_unknown_or_weak(finished):
    assert not [event for event in ("unknown_setting", "pictures_readable") if event in finished.output]


def test_the_commands_of_the_readme_work(finished):
    commands = readme_commands()
    targets = [command for command in commands if command.startswith("make ")]
    subprocess.run(["make", "--dry-run", *[t.split()[1] for t in targets]], cwd=ROOT, capture_output=True, check=True)
    assert {command: done.stderr for command, done in finished.pasted.items() if done.returncode} == {}
    assert len(finished.pasted) - 1 + len(targets) == len(commands), "every command of the README is tried"
    assert (finished.folder / "page.pdf").read_bytes().startswith(b"%PDF-")
    assert Image.open(io.BytesIO((finished.folder / "page.png").read_bytes())).height > 720


@pytest.mark.parametrize("ends_in_time", [True, False])
def test_a_job_that_runs_at_the_end_is_kept(tmp_path, ends_in_time):
    """A worker that ends its captures has its Redis until then. One that takes too long is killed, and not the job."""
    gate = threading.Event()
    with running_site() as site:
        page = site.add("/job", "<h1>A page that answers late</h1>", gate=gate)
        settings = {"WEB_CONCURRENCY": "1", "WORKER_CONCURRENCY": "1", "PRIVATE_TARGETS": site.address}
        with running(tmp_path, **settings) as run:
            web = re.search(r"'(http://[^/]+)/thumb", run.read_until("^curl .*").group())[1]
            order = {"url": page, "wait_until": "load"}
            job = requests.post(f"{web}/screenshots", json=order, timeout=30).json()["job_id"]
            wait_until(lambda: site.hits("/job") > 0, "the capture")
            run.process.terminate()
            run.read_until("SIGTERM received")
            if ends_in_time:
                gate.set()
            assert run.wait() == 0
            stopping = run.output.partition("SIGTERM received")[2]
        gate.set()
        with running(tmp_path, **settings) as run:
            web = re.search(r"'(http://[^/]+)/thumb", run.read_until("^curl .*").group())[1]
            wait_until(lambda: status_of(web, job) not in ("pending", "processing"), "the job's end", timeout=200)
            assert status_of(web, job) == "completed"
            run.press_ctrl_c()
            assert run.wait() == 0
    assert [
        line for line in stopping.splitlines() if re.search(r"worker +\|.*(ConnectionError|unreachable)", line)
    ] == []
    completed, was_killed = "job_completed" in stopping, "SIGKILL to worker" in stopping
    if ends_in_time:
        assert completed or was_killed  # as it is on a machine that is too busy for the end of a capture
    else:
        assert not completed
    assert re.search("worker stopped|SIGKILL to worker", stopping).start() < stopping.index("sending SIGTERM to state")


def status_of(web, job):
    return requests.get(f"{web}/jobs/{job}", timeout=30).json()["status"]


def test_it_runs_restarts_and_stops_where_linuxs_own_calls_are_absent(tmp_path, redis_url):
    """As on macOS, for which `tests/support/darwin` stands: no process finds another in /proc, or inherits its children.

    An external Redis replaces one of ours, the key of a hosted API is not shown, and SIGTERM stops the rest.
    """
    external = {"STATE_REDIS_URL": redis_url, "SNAPSHARP_API_KEY": "sk_live_test", "CAPTURE_API": "engine"}
    with running(tmp_path, [ROOT / "tests/support/darwin"], WEB_CONCURRENCY="1", **external) as run:
        engine = int(run.read_until(r"engine started \(pid=(\d+)\)").group(1))
        browser = int(run.read_until(r'engine \|.*"pid":\s*(\d+).*browser started').group(1))
        printed = run.read_until("^curl .*").group()
        subprocess.run(shlex.split(printed), cwd=tmp_path, capture_output=True, timeout=60, check=True)
        os.kill(engine, signal.SIGKILL)
        run.read_until(r"engine \|.*ready")
        family = run.family()
        run.process.terminate()
        assert run.wait() == 0
    assert Image.open(io.BytesIO((tmp_path / "thumb.png").read_bytes())).size == (640, 360)
    assert alive([*family, browser]) == []
    assert run.output.startswith("Starting redis, engine, web, worker, beat, demo.")
    assert "sk_live_test" not in run.output
