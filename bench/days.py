"""`python -m bench.days FOLDER`: records what Prometheus reads on one good day and on bad ones, for the tests of alerts.

Each day is an installation of its own under light load: gunicorn, a worker, Redis, and what the day is about. One real
Prometheus scrapes all of them. After some good minutes, the bad thing happens, and lasts until the end. What the alerts
look at is written into FOLDER, a file of `promtool test rules` for each day. It takes a quarter of an hour.
"""

import argparse
import json
import os
import re
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import redis
import requests
import yaml

import sites.migrate
from bench.chaos import DISK, EngineProcess
from tests.support.cdn import FakeCdn, running_cdn
from tests.support.disk import beside, full_disk, on_a_disk
from tests.support.processes import free_port, running
from tests.support.redis import RedisServer, running_redis
from tests.support.s3 import running_s3_process
from tests.support.screenshot_api import ScreenshotAPI, running_screenshot_api
from tests.support.site import Site, running_site
from tests.support.web import running_web_process
from tests.support.worker import running_worker

ROOT = Path(__file__).resolve().parents[1]
SCRAPE_SECONDS = 15
GOOD_MINUTES = 4
BAD_MINUTES = 7
LONG_BAD_MINUTES = 13  # until a job has waited for longer than the alert allows
FOREIGN = "http://93.184.216.34"  # a page that nobody visits: the screenshot API is a stand-in that draws
HIT_PAUSE, PAGE_PAUSE, JOB_PAUSE, PROBE_PAUSE, PURGE_PAUSE = 1.0, 8.0, 10.0, 10.0, 20.0
SELECTORS = "selectors.txt"  # what the alerts looked at when all days were recorded: the days have nothing else
_SELECTOR = re.compile(r"\b(up|thumbnails_\w+)(\{[^}]*\})?")


@dataclass
class Parts:
    """What runs on a day, and the ports on which its processes show their metrics."""

    work: Path
    cache: RedisServer
    state: RedisServer
    api: ScreenshotAPI | None = None
    engine: EngineProcess | None = None
    site: Site | None = None
    bucket: Any = None
    cdn: FakeCdn | None = None
    web: Any = None
    worker: Any = None
    url: str = ""
    network: bool = True
    ports: dict[str, int] = field(default_factory=dict)

    @property
    def disk(self) -> Path:
        return self.work / "originals"

    def page(self, number: object) -> str:
        if self.site is None:
            return f"{FOREIGN}/{number}"
        text = f"<body style='background:#cde'><h1>Page {number}</h1>"
        return self.site.add(f"/{number}", text, hangs_up=not self.network)


Bad = Callable[[Parts, threading.Event], None]  # makes the day a bad one, until the event is set


@dataclass(frozen=True)
class Day:
    bad: Bad | None
    minutes: float = BAD_MINUTES
    our_engine: bool = False
    bucket: bool = False
    cdn: bool = False  # whether a CDN is in front; one page is then purged every PURGE_PAUSE seconds
    second_api: bool = False  # a hosted one, which takes what our engine does not
    one_redis: bool = False
    small_disk: bool = False
    cache_options: tuple[str, ...] = ("--maxmemory-policy", "allkeys-lru")
    state_options: tuple[str, ...] = ("--maxmemory-policy", "noeviction")
    settings: Mapping[str, object] = field(default_factory=dict)


def _kill_state(parts: Parts, _end: threading.Event) -> None:
    parts.state.process.kill()


def _kill_cache(parts: Parts, _end: threading.Event) -> None:
    parts.cache.process.kill()


def _stop_bucket(parts: Parts, end: threading.Event) -> None:
    """Connections are taken and nothing is answered."""
    parts.bucket.send_signal(signal.SIGSTOP)
    end.wait()
    parts.bucket.send_signal(signal.SIGCONT)


def _kill_engine(parts: Parts, end: threading.Event) -> None:
    if parts.engine:
        with parts.engine.killed():
            end.wait()


def _ask_for_dead_pages(parts: Parts, end: threading.Event) -> None:
    """Visitors ask for pages that are down, slow or refuse, more often than for good ones."""
    if parts.site is None:
        return
    down: dict[str, dict[str, object]] = {
        "gone": {"status": 404},
        "broken": {"status": 503},
        "resets": {"raw": True, "resets": True},
        "silent": {"hangs_up": True},
        "circle": {"status": 302, "headers": {"Location": "?again"}},
        "file": {"content_type": "application/zip"},
        "shy": {"headers": {"X-Thumbnails": "none"}},
        "late": {"late": 60},
    }
    with ThreadPoolExecutor(16) as pool:
        for turn in count():
            name = list(down)[turn % 7] if turn % 20 else "late"
            page = parts.site.add(f"/{name}-{turn}", "x", **down[name])  # type: ignore[arg-type]
            pool.submit(_get, parts, "/thumb", {"url": page}, f"203.0.113.{turn % 200}")
            if end.wait(2.5):
                return


def _lose_network(parts: Parts, _end: threading.Event) -> None:
    """No page answers any more."""
    parts.network = False


def _crash_browsers(parts: Parts, end: threading.Event) -> None:
    while parts.engine and not end.wait(20):
        parts.engine.crash_browser()


def _fill_disk(parts: Parts, end: threading.Event) -> None:
    with full_disk(parts.web.pid, parts.disk):
        end.wait()


def _kill_worker(parts: Parts, _end: threading.Event) -> None:
    os.killpg(parts.worker.pid, signal.SIGKILL)


def _kill_web(parts: Parts, _end: threading.Event) -> None:
    os.killpg(parts.web.pid, signal.SIGKILL)


def _slow_api(parts: Parts, _end: threading.Event) -> None:
    if parts.api:
        parts.api.latency = 7.0


def _attack(parts: Parts, end: threading.Event) -> None:
    """Somebody tries addresses of the inner network, from many addresses of their own."""
    for turn in count():
        if end.wait(0.5):
            return
        target = ("http://127.0.0.1/", "http://169.254.169.254/latest", "http://10.0.0.1/", "http://[::1]/")[turn % 4]
        _get(parts, "/thumb", {"url": f"{target}?{turn}"}, f"203.0.113.{turn % 200}")


def _ask_for_too_much(parts: Parts, end: threading.Event) -> None:
    """More pages are asked for, again and again, than there is room for."""
    for turn in count():
        if end.wait(0.7):
            return
        _get(parts, "/thumb", {"url": f"{FOREIGN}/many/{turn % 60}", "width": 1280}, f"203.0.113.{turn % 200}")


def _fill_state(parts: Parts, end: threading.Event) -> None:
    with redis.Redis.from_url(parts.state.url) as client:
        for turn in count():
            if end.wait(0.5):
                return
            client.set(f"junk:{turn}", bytes(100_000), ex=3600)


def _refuse_purges(parts: Parts, _end: threading.Event) -> None:
    """The CDN does not take our token any more."""
    if parts.cdn:
        parts.cdn.status = 403


def _break_database(parts: Parts, _end: threading.Event) -> None:
    for path in parts.work.glob("thumbnails.db*"):
        path.write_bytes(b"no database" * 4000)


DAYS = {
    "good": Day(None, our_engine=True, minutes=LONG_BAD_MINUTES),
    "state_redis_away": Day(_kill_state),
    "cache_redis_away": Day(_kill_cache),
    "bucket_away": Day(_stop_bucket, bucket=True),
    "engine_killed": Day(_kill_engine, our_engine=True),
    "engine_replaced": Day(_kill_engine, our_engine=True, second_api=True),
    "dead_pages": Day(
        _ask_for_dead_pages, our_engine=True, minutes=LONG_BAD_MINUTES, settings={"target_limit": "35 per minute"}
    ),
    "no_network": Day(_lose_network, our_engine=True, minutes=LONG_BAD_MINUTES),
    "browsers_crash": Day(_crash_browsers, our_engine=True),
    "disk_full": Day(_fill_disk, small_disk=True),
    "worker_killed": Day(_kill_worker, minutes=LONG_BAD_MINUTES),
    "web_killed": Day(_kill_web, minutes=3),
    "api_slow": Day(_slow_api),
    "attack": Day(_attack),
    "cache_too_small": Day(
        _ask_for_too_much,
        minutes=10,
        cache_options=("--maxmemory-policy", "allkeys-lru", "--maxmemory", "4mb"),
        settings={"originals_max_bytes": 200_000, "memory_cache_bytes": 20_000},
    ),
    "state_evicts": Day(_fill_state, state_options=("--maxmemory-policy", "allkeys-lru", "--maxmemory", "6mb")),
    "one_redis_evicts": Day(
        _fill_state, one_redis=True, state_options=("--maxmemory-policy", "volatile-lru", "--maxmemory", "6mb")
    ),
    "database_broken": Day(_break_database),
    "purges_refused": Day(_refuse_purges, cdn=True, minutes=LONG_BAD_MINUTES),
}


@contextmanager
def running_day(day: Day, work: Path) -> Iterator[Parts]:
    with ExitStack() as stack:
        state = stack.enter_context(running_redis(*day.state_options))
        cache = state if day.one_redis else stack.enter_context(running_redis(*day.cache_options))
        parts = Parts(work, cache, state)
        parts.disk.mkdir(parents=True)
        settings: dict[str, object] = {
            "redis_url": cache.url,
            "state_redis_url": state.url,
            "database_url": f"sqlite:///{work}/thumbnails.db",
            "persist_dir": work / "media",
            "originals_dir": parts.disk,
            "trusted_proxies": 1,  # the clients are addresses in X-Forwarded-For
            "worker_concurrency": 1,
            "web_concurrency": 1,
        }
        sites.migrate.upgrade(str(settings["database_url"]))
        parts.ports = {role: free_port() for role in ("web", "worker")}
        if day.our_engine:
            parts.ports["engine"] = free_port()
            parts.site = stack.enter_context(running_site())
            ours = {"PRIVATE_TARGETS": parts.site.address, "METRICS_PORT": parts.ports["engine"]}
            parts.engine = EngineProcess(stack, ours)
            settings |= {"capture_url": parts.engine.url, "private_targets": parts.site.address}
            if day.second_api:
                parts.api = stack.enter_context(running_screenshot_api("snapsharp", "sk_live_test"))
                settings |= {"capture_api": "engine,snapsharp", "snapsharp_url": parts.api.url}
                settings |= {"snapsharp_api_key": "sk_live_test"}
        else:
            parts.api = stack.enter_context(running_screenshot_api("snapsharp", "sk_live_test"))
            settings |= {"snapsharp_api_key": "sk_live_test", "capture_url": parts.api.url}
        if day.bucket:
            url, parts.bucket = stack.enter_context(running_s3_process("pictures"))
            settings |= {"s3_bucket": "pictures", "s3_region": "us-east-1", "s3_endpoint_url": url}
            settings |= {"aws_access_key_id": "test", "aws_secret_access_key": "an-s3-key-of-the-tests"}
        if day.cdn:
            parts.cdn = stack.enter_context(running_cdn())
            settings |= {"cloudflare_zone_id": "023e105f", "cloudflare_api_token": "a-token-of-the-tests"}
            settings |= {"cloudflare_api_url": parts.cdn.url}
        settings |= day.settings
        disk = on_a_disk(parts.disk, DISK) if day.small_disk else []
        with_port = {role: settings | {"metrics_port": port} for role, port in parts.ports.items()}
        parts.url, parts.web = stack.enter_context(running_web_process(work / "web.log", disk, **with_port["web"]))
        there = beside(parts.web.pid) if day.small_disk else []
        parts.worker = stack.enter_context(running_worker(work / "worker.log", prefix=there, **with_port["worker"]))
        for number in range(3):
            _get(parts, "/thumb", {"url": parts.page(f"known-{number}")})
        yield parts


def live(day: Day, parts: Parts) -> None:
    """Live through a day under load."""
    end, numbers = threading.Event(), count()
    turns: list[tuple[float, Callable[[], object]]] = [
        (HIT_PAUSE, lambda: _get(parts, "/thumb", {"url": parts.page("known-0")})),
        (PAGE_PAUSE, lambda: _get(parts, "/thumb", {"url": parts.page(f"new-{next(numbers)}")})),
        (PROBE_PAUSE, lambda: (_get(parts, "/ready", {}), _get(parts, "/sites", {}))),
        (JOB_PAUSE, lambda: _order(parts, parts.page(f"job-{next(numbers)}"))),
    ]
    if day.cdn:
        turns.append((PURGE_PAUSE, lambda: _purge(parts, parts.page("known-0"))))
    threads = [threading.Thread(target=_repeat, args=(pause, ask, end)) for pause, ask in turns]
    if day.bad:
        threads.append(threading.Thread(target=_after_good_minutes, args=(day.bad, parts, end)))
    for thread in threads:
        thread.start()
    end.wait((GOOD_MINUTES + day.minutes) * 60)
    end.set()
    for thread in threads:
        thread.join()


def _after_good_minutes(bad: Bad, parts: Parts, end: threading.Event) -> None:
    if not end.wait(GOOD_MINUTES * 60):
        bad(parts, end)


def _repeat(pause: float, ask: Callable[[], object], end: threading.Event) -> None:
    while not end.wait(pause):
        with suppress(requests.RequestException):
            ask()


def _get(parts: Parts, path: str, query: Mapping[str, object], client: str = "198.51.100.1") -> None:
    with suppress(requests.RequestException):
        requests.get(parts.url + path, query, headers={"X-Forwarded-For": client}, timeout=60)  # type: ignore[arg-type]


def _order(parts: Parts, page: str) -> None:
    headers = {"X-Forwarded-For": "198.51.100.2"}
    requests.post(f"{parts.url}/screenshots", json={"url": page}, headers=headers, timeout=60)


def _purge(parts: Parts, page: str) -> None:
    """Purge a page, as a program of this machine."""
    requests.post(f"{parts.url}/purge", json={"url": page}, timeout=60)


class Recorder:
    """A real Prometheus. Days are given to it while it runs."""

    def __init__(self, folder: Path) -> None:
        self._port = free_port()
        self._targets = folder / "targets"
        self._targets.mkdir()
        config = {
            "global": {"scrape_interval": f"{SCRAPE_SECONDS}s"},
            "scrape_configs": [
                {
                    "job_name": "thumbnails",
                    "file_sd_configs": [{"files": [f"{self._targets}/*.json"], "refresh_interval": "5s"}],
                }
            ],
        }
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
        self._folder = folder

    @contextmanager
    def running(self) -> Iterator[None]:
        command = [
            "prometheus",
            f"--config.file={self._folder}/prometheus.yml",
            f"--storage.tsdb.path={self._folder}/tsdb",
            f"--web.listen-address=127.0.0.1:{self._port}",
            "--log.level=error",
        ]
        with running(command, self._port, stdout=subprocess.DEVNULL):
            yield

    def scrape(self, day: str, ports: Mapping[str, int]) -> None:
        groups = [
            {"targets": [f"127.0.0.1:{port}"], "labels": {"role": role, "day": day}} for role, port in ports.items()
        ]
        draft = self._targets / f"{day}.draft"
        draft.write_text(json.dumps(groups), encoding="utf-8")
        draft.rename(draft.with_suffix(".json"))

    def series(self, day: str, began: float, ended: float) -> list[dict[str, str]]:
        """Return all series of a day that alerts look at, as `promtool test rules` reads them."""
        found: dict[str, str] = {}
        for selector in selectors():
            name, _, matchers = selector.partition("{")
            inner = ",".join([f'day="{day}"', *filter(None, [matchers.rstrip("}")])])
            query = {"query": f"{name}{{{inner}}}[{round(ended - began) + 60}s]", "time": ended}
            answer = requests.get(f"http://127.0.0.1:{self._port}/api/v1/query", query, timeout=30)  # type: ignore[arg-type]
            answer.raise_for_status()
            for each in answer.json()["data"]["result"]:
                labels = each["metric"]
                found[_name_of(labels)] = _values_of(each["values"], began, ended)
        return [{"series": name, "values": found[name]} for name in sorted(found)]


def selectors() -> list[str]:
    """Return all selectors of the alerts."""
    groups = yaml.safe_load((ROOT / "deploy" / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    rules = [rule["expr"] for group in groups for rule in group["rules"]]
    return sorted({f"{name}{matchers}" for rule in rules for name, matchers in _SELECTOR.findall(rule)})


def _name_of(labels: dict[str, str]) -> str:
    kept = {name: value for name, value in labels.items() if name not in ("__name__", "day")}
    kept["instance"] = f"{kept['role']}:9100"  # the port was a free one of that machine
    return labels["__name__"] + "{" + ",".join(f'{name}="{kept[name]}"' for name in sorted(kept)) + "}"


def _values_of(samples: list[tuple[float, str]], began: float, ended: float) -> str:
    """Write samples as one value for each scrape. What is missing after a value has gone stale."""
    values: list[str] = ["_"] * (round((ended - began) / SCRAPE_SECONDS) + 1)
    for at, value in samples:
        turn = int((at - began) // SCRAPE_SECONDS)
        if 0 <= turn < len(values):
            values[turn] = f"{float(value):.6g}"
    for turn in range(1, len(values)):
        if values[turn] == "_" and values[turn - 1] not in ("_", "stale"):
            values[turn] = "stale"
    return " ".join(_shortened(values))


def _shortened(values: list[str]) -> Iterator[str]:
    """Write equal values in a row as one word."""
    start = 0
    while start < len(values):
        end = start
        while end < len(values) and values[end] == values[start]:
            end += 1
        more = end - start - 1
        word = values[start]
        if more < 2 or word == "stale":
            yield from [word] * (more + 1)
        else:
            yield f"_x{more + 1}" if word == "_" else f"{word}+0x{more}"
        start = end


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.days", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("days", nargs="*", metavar="DAY", help="all of them, unless some are named")
    arguments = parser.parse_args()
    names = arguments.days or list(DAYS)
    arguments.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as made:
        work = Path(made)
        work.chmod(0o711)  # the browser runs as another user
        recorder = Recorder(work)
        with recorder.running(), ExitStack() as stack, ThreadPoolExecutor(len(names)) as pool:
            started = {name: stack.enter_context(running_day(DAYS[name], work / name)) for name in names}

            def record(name: str) -> None:
                began = time.time()
                recorder.scrape(name, started[name].ports)
                live(DAYS[name], started[name])
                series = recorder.series(name, began, began + (GOOD_MINUTES + DAYS[name].minutes) * 60)
                text = yaml.safe_dump(series, width=10_000)
                (arguments.folder / f"{name}.yml").write_text(text, encoding="utf-8")
                print(f"{name}: {len(series)} series", flush=True)

            for done in [pool.submit(record, name) for name in names]:
                done.result()
    if set(names) == set(DAYS):
        (arguments.folder / SELECTORS).write_text("\n".join(selectors()) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
