"""The checks of `thumbnails doctor`: each says that something is in order, or what to do about it."""

import json
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any

import redis

import config
from capture import DIALECTS
from cli import machine
from cli.finding import Check, Finding
from config import Settings
from config.apis import ENGINE
from errors import QueueUnavailable, ThumbnailError
from jobs import BEAT_MISSING_SECONDS, MISSING_SECONDS
from services import Services

_SKEW_SECONDS = 5.0
_HTTP_SECONDS = 5.0
_UNCONFIRMED_SECONDS = 150  # the worker has tried thrice by then


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
                "mend what it names; the log says more",
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
    where = f"bucket {settings.s3_bucket}" if settings.s3_bucket else str(settings.persist_dir.absolute())
    variable = "S3_BUCKET" if settings.s3_bucket else "PERSIST_DIR"
    try:
        services.storage.require_writable()
    except ThumbnailError as err:
        yield Finding("storage", "failed", f"{where}: {err.detail}", f"check {variable}; the line before says why")
    else:
        yield Finding("storage", "ok", f"{where} takes pictures")
    kept = {"folder": str(settings.originals_dir.absolute()), "s3": f"bucket {settings.s3_bucket}", "redis": "Redis"}[
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
            urls = _engine_urls(services)
            for url in urls:
                yield from _engine(url, f"{url}: " if len(urls) > 1 else "")
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


def _engine(url: str, which: str) -> Iterator[Finding]:
    """Judge an engine. `which` of several it is begins each finding."""
    state = _engine_state(url)
    if not isinstance(state, dict):
        yield Finding("engine", "failed", f"{url}: {state}", "start the engine, and check CAPTURE_URL and ENGINE_URL")
        return
    past = f"{state.get('browser')}, {state.get('captures')} captures, {state.get('restarts')} restarts"
    now = f"{state.get('in_flight')} run now, {state.get('queued')} wait"
    yield Finding("engine", "ok", f"{which}{past}; {now}")
    if state.get("sandbox"):
        yield Finding("sandbox", "ok", f"{which}Chromium's sandbox is on")
    else:
        yield Finding(
            "sandbox",
            "warning",
            f"{which}Chromium runs without its sandbox",
            "see docs/operations/first-day.md, The sandbox",
        )
    if state.get("isolation") == "namespace":
        yield Finding("isolation", "ok", f"{which}the browser has a network namespace of its own")
    else:
        advice = "allow user namespaces, or keep the engine on a network without inside addresses: docs/security.md, Namespace or flags"
        yield Finding("isolation", "warning", f"{which}the browser has no network namespace of its own", advice)


def _engine_state(url: str) -> dict[str, Any] | str:
    """Return what `/health` says, or why it says nothing."""
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=_HTTP_SECONDS) as answer:  # noqa: S310 - a setting, http or https
            return dict(json.load(answer))
    except urllib.error.HTTPError as err:
        return f"status {err.code}: it has no browser" if err.code == 503 else f"status {err.code}"
    except (OSError, ValueError) as err:
        return str(getattr(err, "reason", None) or err) or type(err).__name__


def _clock(services: Services) -> Iterator[Finding]:
    """Compare this machine's clock with those of others: signatures, jobs and purges depend on them."""
    clocks: dict[str, Callable[[], float | None]] = {
        "Redis": lambda: _redis_time(services),
        **{f"the engine at {url}": partial(_http_time, url) for url in _engine_urls(services)},
        "S3": lambda: _http_time(_s3_url(services.settings)),
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


def _s3_url(settings: Settings) -> str | None:
    if settings.s3_bucket is None:
        return None
    return settings.s3_endpoint_url or f"https://s3.{settings.s3_region or 'us-east-1'}.amazonaws.com"


def _outlet(services: Services) -> Iterator[Finding]:
    """Greet the outlet, by which lists, icons and preview pictures are fetched (RFC 1928, section 3)."""
    egress = services.settings.lists_egress
    if egress is None:
        return
    where = f"{egress[0]}:{egress[1]}"
    try:
        with socket.create_connection(egress, timeout=_HTTP_SECONDS) as connection:
            connection.sendall(b"\5\1\0")
            answer = connection.recv(2)
    except OSError as err:
        words = err.strerror or str(err) or type(err).__name__
        advice = "start it: python -m engine.outlet, and check LISTS_EGRESS"
        yield Finding("outlet", "failed", f"{where}: {words}", advice)
        return
    if answer == b"\5\0":
        yield Finding("outlet", "ok", f"answers on {where}")
    else:
        yield Finding("outlet", "failed", f"{where} is no outlet", "check LISTS_EGRESS")


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


def _beat(services: Services) -> Iterator[Finding]:
    """Beat sends a message each minute, which a worker notes: so without a worker, nothing is known of beat."""
    workers = services.jobs.store.workers
    try:
        worker, beat = workers.seen_ago(), workers.beat_seen_ago()
    except QueueUnavailable:
        return  # said of the worker
    advice = "start one: celery --app worker beat"
    if worker is None or worker > MISSING_SECONDS:
        yield Finding("beat", "warning", "is not seen without a worker", "start a worker first")
    elif beat is None:
        yield Finding("beat", "warning", "none was seen yet: it shows a minute after its first start", advice)
    elif beat > BEAT_MISSING_SECONDS:
        yield Finding("beat", "failed", f"sent its last message {beat:,} s ago", advice)
    else:
        yield Finding("beat", "ok", f"sent its last message {beat:,} s ago")


def _purges(services: Services) -> Iterator[Finding]:
    """Of a cache in front nothing is known while the state's Redis is away, which is said of that."""
    for cache, seconds in services.purging.in_front.unconfirmed():
        name = cache.name
        if seconds > _UNCONFIRMED_SECONDS:
            words = f"{name} has not confirmed one for {seconds:,.0f} s: it may still show what was purged"
            advice = "start a worker; if one runs, its event purge_not_confirmed says what to mend"
            yield Finding("purges", "failed", words, advice)
        else:
            yield Finding("purges", "ok", f"{name} has confirmed all, or was just told")


CHECKS: dict[str, Check] = {
    "settings": _settings,
    "redis": _redis,
    "database": _database,
    "storage": _storage,
    "capture": _capture,
    "outlet": _outlet,
    "worker": _worker,
    "beat": _beat,
    "purges": _purges,
    "clock": _clock,
    **machine.CHECKS,
}
