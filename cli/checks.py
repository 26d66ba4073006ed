"""The checks of `thumbnails doctor`: each says that something is in order, or what to do about it."""

import json
import os
import resource
import shutil
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any, Literal

import redis

import config
from capture import DIALECTS
from config.apis import ENGINE
from errors import QueueUnavailable, ThumbnailError
from jobs import MISSING_SECONDS
from services import Services

Verdict = Literal["ok", "warning", "failed"]
_SKEW_SECONDS = 5.0
_OPEN_FILES = 8192
_LEAST_FREE = 1 << 30  # bytes
_HTTP_SECONDS = 5.0
_SLOW_LOOKUP = 1.0  # seconds


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check has found. `advice` says what to do; it is empty where nothing is to be done."""

    subject: str
    verdict: Verdict
    words: str
    advice: str = ""


Check = Callable[[Services], Iterator[Finding]]


def examine(services: Services) -> Iterator[Finding]:
    """Run all checks, one after the other. A check that fails in an unforeseen way is a finding, too."""
    for subject, check in CHECKS.items():
        try:
            yield from check(services)
        except Exception as err:  # noqa: BLE001 - the other checks go on
            yield Finding(
                subject,
                "failed",
                f"could not be checked: {type(err).__name__}: {str(err)[:200]}",
                "see the words before",
            )


def _settings(services: Services) -> Iterator[Finding]:
    warnings = [*config.unknown_variables(), *config.without_effect(services.settings)]
    for warning in warnings:
        yield Finding("settings", "warning", warning, "correct the variable, or remove it")
    if not warnings:
        yield Finding("settings", "ok", "all are valid")


def _redis(services: Services) -> Iterator[Finding]:
    connections = services.connections
    servers: list[tuple[str, Any, str]] = [("redis (pictures)", connections.cache, "allkeys-lru")]
    if not connections.shared:
        servers.append(("redis (state)", connections.state, "noeviction"))
    for subject, server, policy in servers:
        try:
            server.require_writable()
            info: dict[str, Any] = server.client.info()
        except redis.RedisError as err:
            yield Finding(subject, "failed", str(err)[:200] or type(err).__name__, f"check {server.variable}")
            continue
        except ThumbnailError as err:
            yield Finding(subject, "failed", err.detail, f"check {server.variable}")
            continue
        found = str(info.get("maxmemory_policy", ""))
        limit, used = int(info.get("maxmemory", 0)), int(info.get("used_memory", 0))
        room = f"{used >> 20} of {limit >> 20} MiB" if limit else f"{used >> 20} MiB, no limit"
        words = f"{info.get('redis_version')}, {room}, {found}"
        if connections.shared:
            advice = "set STATE_REDIS_URL to another Redis, with maxmemory-policy noeviction"
            yield Finding("redis", "warning", f"{words}; pictures, limits and jobs share it", advice)
        elif found and found != policy and not (policy == "allkeys-lru" and found != "noeviction"):
            yield Finding(subject, "warning", words, f"set its maxmemory-policy to {policy}")
        elif not limit and policy == "allkeys-lru":
            yield Finding(subject, "warning", words, "set its maxmemory: it would fill the machine's memory")
        else:
            yield Finding(subject, "ok", words)


def _storage(services: Services) -> Iterator[Finding]:
    settings = services.settings
    where = f"bucket {settings.s3_bucket}" if settings.s3_bucket else str(settings.persist_dir)
    variable = "S3_BUCKET" if settings.s3_bucket else "PERSIST_DIR"
    try:
        services.storage.require_writable()
    except ThumbnailError as err:
        yield Finding("storage", "failed", f"{where}: {err.detail}", f"check {variable}; the line before says why")
    else:
        yield Finding("storage", "ok", f"{where} takes pictures")
    kept = {"folder": str(settings.originals_dir), "s3": f"bucket {settings.s3_bucket}", "redis": "Redis"}[
        settings.originals
    ]
    if services.originals_store.works():
        yield Finding("originals", "ok", f"{kept} takes originals")
    else:
        yield Finding("originals", "failed", f"{kept} takes no originals", "check ORIGINALS and ORIGINALS_DIR")


def _database(services: Services) -> Iterator[Finding]:
    state = services.database.state()
    kind = "SQLite" if services.database.is_sqlite else "PostgreSQL"
    if state == "ok":
        yield Finding("database", "ok", f"{kind}, migrated")
    else:
        words, _, advice = state.partition("; ")
        where = services.database.where
        yield Finding("database", "failed", f"{kind}, {where}: {words}", advice or "check DATABASE_URL")


def _capture(services: Services) -> Iterator[Finding]:
    responds = services.screenshot_api.pings()
    for api in services.settings.apis:
        if api.name == ENGINE:
            for url in _engine_urls(services):
                yield from _engine(url)
            continue
        works = responds[api.name]
        words = f"{api.name} {'answers' if works else 'does not answer'}"
        alone = len(services.settings.apis) == 1
        its, own = api.name.upper(), "CAPTURE_URL and CAPTURE_API_KEY, or " if alone else ""
        advice = "" if works else f"check {own}{its}_URL and {its}_API_KEY"
        yield Finding("capture", "ok" if works else "failed", words, advice)


def _engine_urls(services: Services) -> tuple[str, ...]:
    """Return the addresses of all engines, none if hosted APIs take all captures."""
    found = [api.urls or (DIALECTS[ENGINE].base_url,) for api in services.settings.apis if api.name == ENGINE]
    return found[0] if found else ()


def _engine(url: str) -> Iterator[Finding]:
    state = _engine_state(url)
    if not isinstance(state, dict):
        yield Finding("engine", "failed", f"{url}: {state}", "start the engine, and check CAPTURE_URL")
        return
    past = f"{state.get('browser')}, {state.get('captures')} captures, {state.get('restarts')} restarts"
    now = f"{state.get('in_flight')} run now, {state.get('queued')} wait"
    yield Finding("engine", "ok", f"{past}; {now}")
    if state.get("sandbox"):
        yield Finding("sandbox", "ok", "Chromium's sandbox is on")
    else:
        yield Finding("sandbox", "warning", "Chromium runs without its sandbox", "see docs/engine.md, Sandbox")
    if state.get("isolation") == "namespace":
        yield Finding("isolation", "ok", "the browser has a network namespace of its own")
    else:
        advice = "allow user namespaces, or keep the engine on a network without inside addresses: docs/engine.md"
        yield Finding("isolation", "warning", "the browser has no network namespace of its own", advice)


def _engine_state(url: str) -> dict[str, Any] | str:
    """Return what `/health` says, or why it says nothing."""
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=_HTTP_SECONDS) as answer:  # noqa: S310 - a setting, http or https
            return dict(json.load(answer))
    except urllib.error.HTTPError as err:
        return f"status {err.code}: it has no browser" if err.code == 503 else f"status {err.code}"
    except (OSError, ValueError) as err:
        return str(getattr(err, "reason", None) or err) or type(err).__name__


def _fonts(services: Services) -> Iterator[Finding]:
    if ENGINE not in services.settings.capture_api or not shutil.which("fc-match"):
        return
    missing = [name for name, sample in _SCRIPTS.items() if not _has_font(sample)]
    if missing:
        advice = "install them on the engine's machine; make setup does so"
        yield Finding("fonts", "warning", f"this machine has none for {', '.join(missing)}", advice)
    else:
        yield Finding("fonts", "ok", f"for {', '.join(_SCRIPTS)}, on this machine")


_SCRIPTS = {
    "Latin": "lang=en",
    "Arabic": "lang=ar",
    "Devanagari": "lang=hi",
    "Chinese": "lang=zh-cn",
    "emoji": "charset=1f600",
}


def _has_font(pattern: str) -> bool:
    import subprocess  # noqa: PLC0415 - for this check alone

    found = subprocess.run(["fc-list", f":{pattern}", "family"], capture_output=True, text=True, check=False)  # noqa: S603, S607
    return bool(found.stdout.strip())


def _clock(services: Services) -> Iterator[Finding]:
    """Compare this machine's clock with those of others: signatures, jobs and purges depend on them."""
    clocks: dict[str, Callable[[], float | None]] = {
        "Redis": lambda: _redis_time(services),
        **{f"the engine at {url}": partial(_http_time, url) for url in _engine_urls(services)},
        "S3": lambda: _http_time(services.settings.s3_endpoint_url),
    }
    compared = []
    for name, read in clocks.items():
        began = time.time()
        there = read()
        if there is None:
            continue
        skew = there - (began + time.time()) / 2
        compared.append(name)
        if abs(skew) > _SKEW_SECONDS:
            yield Finding("clock", "failed", f"{name} is {skew:+.0f} s from this machine", "run NTP on both machines")
            return
    yield Finding("clock", "ok", f"agrees with {', '.join(compared)}" if compared else "nothing to compare it with")


def _redis_time(services: Services) -> float | None:
    try:
        seconds, microseconds = services.connections.state.client.time()  # type: ignore[misc]
    except redis.RedisError:
        return None
    return float(seconds) + float(microseconds) / 1e6


def _http_time(url: str | None) -> float | None:
    if not url:
        return None
    try:
        with urllib.request.urlopen(url, timeout=_HTTP_SECONDS) as answer:  # noqa: S310 - a setting, http or https
            date = answer.headers["Date"]
    except urllib.error.HTTPError as err:
        date = err.headers["Date"]
    except OSError:
        return None
    return parsedate_to_datetime(date).timestamp() + 0.5 if date else None  # whole seconds


def _open_files(_: Services) -> Iterator[Finding]:
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if 0 <= hard < _OPEN_FILES:
        advice = f"raise it to {_OPEN_FILES}: LimitNOFILE of systemd, ulimits of compose"
        yield Finding("open files", "warning", f"at most {hard:,}", advice)
    else:
        yield Finding("open files", "ok", f"up to {hard:,}" if hard >= 0 else "no limit")


def _dns(services: Services) -> Iterator[Finding]:
    if not services.settings.resolve_targets:
        yield Finding("DNS", "ok", "names are looked up by the screenshot API (RESOLVE_TARGETS=false)")
        return
    began = time.monotonic()
    try:
        socket.getaddrinfo("localhost.invalid", 80)  # which never exists: RFC 6761
    except socket.gaierror as err:
        unreachable = err.errno == socket.EAI_AGAIN
    else:
        advice = "use a resolver that says which names do not exist"
        yield Finding("DNS", "warning", "the resolver answers for names that do not exist", advice)
        return
    seconds = time.monotonic() - began
    if unreachable:
        yield Finding("DNS", "failed", "no name server answers", "check /etc/resolv.conf, and the firewall for port 53")
    elif seconds > _SLOW_LOOKUP:
        yield Finding("DNS", "warning", f"a look-up took {seconds:.1f} s", "check the name servers of /etc/resolv.conf")
    else:
        yield Finding("DNS", "ok", f"a look-up took {1000 * seconds:.0f} ms")


def _disk(services: Services) -> Iterator[Finding]:
    settings = services.settings
    folders = {"ORIGINALS_DIR": settings.originals_dir} if settings.originals == "folder" else {}
    if not settings.s3_bucket:
        folders["PERSIST_DIR"] = settings.persist_dir
    for variable, folder in folders.items():
        existing = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
        free = shutil.disk_usage(existing).free
        least = max(_LEAST_FREE, settings.persist_min_free)
        words = f"{variable}: {free >> 20:,} MiB free"
        if free < least:
            yield Finding(
                "disk", "warning", words, f"free {(least - free) >> 20:,} MiB, or set {variable} to another disk"
            )
        else:
            yield Finding("disk", "ok", words)
    nginx = settings.nginx_cache_dir
    if nginx and not os.access(nginx, os.R_OK | os.W_OK | os.X_OK):
        yield Finding("nginx", "failed", f"{nginx} cannot be written", "run nginx and this service as the same user")


def _worker(services: Services) -> Iterator[Finding]:
    try:
        seen = services.jobs.store.workers.seen_ago()
        stats = services.jobs.store.stats()
    except QueueUnavailable as err:
        yield Finding("worker", "failed", err.detail, "check STATE_REDIS_URL")
        return
    if seen is None or seen > MISSING_SECONDS:
        words = "none has run here" if seen is None else f"none was seen for {seen:,} s"
        yield Finding("worker", "failed", words, "start one: celery --app worker worker")
        return
    oldest = getattr(stats, "oldest_seconds", None)
    words = f"runs; the oldest job waits for {oldest or 0:.0f} s"
    if oldest and oldest > 300:
        yield Finding("worker", "warning", words, "add workers, or raise WORKER_CONCURRENCY: docs/operations/jobs.md")
    else:
        yield Finding("worker", "ok", words)


CHECKS: dict[str, Check] = {
    "settings": _settings,
    "redis": _redis,
    "database": _database,
    "storage": _storage,
    "disk": _disk,
    "capture": _capture,
    "fonts": _fonts,
    "clock": _clock,
    "open files": _open_files,
    "DNS": _dns,
    "worker": _worker,
}
