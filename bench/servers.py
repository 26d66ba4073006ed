"""The measured servers on free ports of loopback, each as it is shipped or as its users run it."""

import os
import signal
import string
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import requests
from honcho.environ import parse_procfile

from bench import pictures
from tests.support.nginx import NGINX, running_nginx
from tests.support.processes import free_port, running, wait_until
from tests.support.redis import RedisServer, running_redis
from tests.support.web import running_web_process

ROOT = Path(__file__).parents[1]
# The limits are huge, not off: no request is refused in these runs, but each one is counted as in production.
HUGE_LIMIT = "1000000000 per minute"
SITE = "http://93.184.216.34"  # a literal address, so that a miss includes no name look-up


def path(page: str, **options: object) -> str:
    extra = "".join(f"&{name}={value}" for name, value in options.items())
    return f"/thumb?url={quote(f'{SITE}/{page}', safe='')}{extra}"


@dataclass
class FakeApi:
    """The fake screenshot API."""

    url: str

    def calls(self) -> int:
        return int(requests.get(f"{self.url}/calls", timeout=5).json())

    def set_latency(self, seconds: float) -> None:
        requests.post(f"{self.url}/latency", data=str(seconds), timeout=5)


def _environ(**changes: object) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "VIRTUAL_ENV") if name in os.environ}
    return kept | {"PYTHONPATH": str(ROOT)} | {name: str(value) for name, value in changes.items()}


@contextmanager
def running_fake_api(work: Path) -> Iterator[FakeApi]:
    folder = work / "pictures"
    if not folder.exists():
        pictures.write_all(folder)
    port = free_port()
    command = [sys.executable, "-m", "bench.fake_api", str(port), str(folder)]
    with running(command, port, env=_environ()):
        yield FakeApi(f"http://127.0.0.1:{port}")


@contextmanager
def running_ours(work: Path, redis: RedisServer, api: FakeApi, **changes: object) -> Iterator[str]:
    """Run our web process with its default settings, and yield its URL. It logs to a file, as in production."""
    with running_ours_process(work, redis, api, **changes) as (url, _):
        yield url


@contextmanager
def running_ours_process(
    work: Path, redis: RedisServer, api: FakeApi, **changes: object
) -> Iterator[tuple[str, subprocess.Popen]]:
    """Run our web process, and yield its URL and gunicorn's master process."""
    settings = _settings(work, redis, api) | {"thumb_limit": HUGE_LIMIT, "request_limit": HUGE_LIMIT}
    with running_web_process(work / "ours.log", **settings | changes) as running:
        yield running


def _settings(work: Path, redis: RedisServer, api: FakeApi) -> dict[str, object]:
    return {
        "redis_url": redis.url,
        "capture_api": "snapsharp",
        "capture_url": api.url,
        "capture_api_key": "bench-key",
        "persist_dir": work / "media",
        "originals_dir": work / "originals",
    }


@contextmanager
def running_worker(work: Path, redis: RedisServer, api: FakeApi, **changes: object) -> Iterator[int]:
    """Run our worker by the Procfile's command; yield its process group."""
    command = parse_procfile((ROOT / "Procfile").read_text(encoding="utf-8")).processes["worker"]
    settings = {name.upper(): value for name, value in (_settings(work, redis, api) | changes).items()}
    env = _environ(LOG_FORMAT="json", **settings)
    env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}"
    log = work / "worker.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            ["sh", "-c", command], env=env, cwd=ROOT, stdout=output, stderr=output, start_new_session=True
        )
    try:
        wait_until(lambda: process.poll() is not None or b"ready." in log.read_bytes(), "the worker's start")
        yield process.pid
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # its unfinished jobs do not matter
        process.wait()


@contextmanager
def running_tutorial(work: Path, redis: RedisServer, api: FakeApi) -> Iterator[str]:
    """Run the tutorial's design by the tutorial's command."""
    port = free_port()
    env = _environ(REDIS_URL=redis.url, SCREENSHOT_API=api.url, THUMB_LIMIT=HUGE_LIMIT)
    command = [sys.executable, "-m", "gunicorn", "-w", "4", "-b", f"127.0.0.1:{port}", "bench.tutorial_app:app"]
    with (work / "tutorial.log").open("ab") as log, running(command, port, env=env, cwd=work, stderr=log):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def running_bare(work: Path, picture: Path) -> Iterator[str]:
    """Run a bare WSGI function under our gunicorn configuration."""
    port = free_port()
    env = _environ(BENCH_PICTURE=picture, PORT=port)
    config = str(ROOT / "deploy" / "gunicorn.conf.py")
    command = [sys.executable, "-m", "gunicorn", "-c", config, "bench.bare_app:app"]
    with (work / "bare.log").open("ab") as log, running(command, port, env=env, cwd=work, stderr=log):
        yield f"http://127.0.0.1:{port}"


@dataclass(frozen=True)
class Contenders:
    """The URLs of all contenders, and the bytes of the picture, which all of them serve."""

    redis: RedisServer
    api: FakeApi
    ours: str
    tutorial: str
    bare: str
    disk: str
    edge: str
    picture: bytes


NGINX_DISK = string.Template("""\
daemon off;
${user}worker_processes auto;
pid nginx.pid;
error_log stderr warn;
events { worker_connections 1024; }
http {
    access_log $prefix/access.log combined buffer=32k flush=1s;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 10000;
    open_file_cache max=2000 inactive=60s;
    open_file_cache_valid 60s;
    types { image/png png; }
    server {
        listen 127.0.0.1:$port;
        location / { root $root; }
    }
}
""")


@contextmanager
def running_disk(work: Path, picture: Path) -> Iterator[str]:
    """Run nginx with a static file: the upper limit of any service with a cache."""
    port = free_port()
    prefix = work / "disk"
    prefix.mkdir(exist_ok=True)
    config = prefix / "nginx.conf"
    user = "user root;\n" if os.geteuid() == 0 else ""  # another account could not enter a temporary folder
    config.write_text(NGINX_DISK.substitute(port=port, root=picture.parent, prefix=prefix, user=user))
    with running([NGINX, "-p", str(prefix), "-c", str(config)], port):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def running_contenders(work: Path) -> Iterator[Contenders]:
    with ExitStack() as stack:
        redis = stack.enter_context(running_redis())
        api = stack.enter_context(running_fake_api(work))
        ours = stack.enter_context(running_ours(work, redis, api))
        answer = requests.get(ours + path("hot"), timeout=30)
        answer.raise_for_status()
        picture = work / "served" / "hot.png"
        picture.parent.mkdir(exist_ok=True)
        picture.write_bytes(answer.content)
        (work / "pictures" / "1280x720.png").write_bytes(answer.content)
        peers = stack.enter_context(running_fake_api(work))
        tutorial = stack.enter_context(running_tutorial(work, redis, peers))
        requests.get(tutorial + path("hot"), timeout=30).raise_for_status()
        bare = stack.enter_context(running_bare(work, picture))
        disk = stack.enter_context(running_disk(work, picture))
        edge = stack.enter_context(running_nginx(work / "edge", ours))
        yield Contenders(redis, api, ours, tutorial, bare, disk, edge, answer.content)
