"""What web process and worker read at intervals for their metrics: Redis, jobs, sites, purges, folders.

What cannot be read is missing, not zero.
"""

import os
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from coordination import RedisBreaker
from errors import DatabaseUnavailable, QueueUnavailable
from services import Services
from sites import count_due
from telemetry import metrics

FOLDER_SECONDS = 300.0  # folders are walked so often,
FOLDER_SHARE = 0.01  # but a walk through very many files takes no larger share of the time
DATABASE_PAUSE_SECONDS = 60.0  # after a failure, which the log has each time


class Measurements:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._next_walk = self._next_query = 0.0  # monotonic
        self._walk: threading.Thread | None = None

    def read_own(self) -> None:
        """Read what belongs to this process, and let the admin page know what it has counted."""
        metrics.KEPT_BYTES.set(self._services.cache.memory_bytes, "memory")
        metrics.KEPT_BYTES_LIMIT.set(self._services.settings.memory_cache_bytes, "memory")
        metrics.KEPT_BYTES.set(self._services.cache.disk_bytes, "disk")
        metrics.KEPT_BYTES_LIMIT.set(self._services.cache.disk_limit, "disk")
        self._services.day_figures.add_when_due()

    def read_shared(self) -> None:
        """Read what processes share. Each reading ends within seconds."""
        self._read_redis()
        self._read_jobs()
        self._read_sites()
        self._read_purges()
        for api, is_open in self._services.screenshot_api.open_breakers().items():
            metrics.BREAKER_OPEN.set(int(is_open), api)
        self._read_disks()
        if time.monotonic() >= self._next_walk and not (self._walk and self._walk.is_alive()):
            self._walk = threading.Thread(target=self._walk_folders, name="folders", daemon=True)
            self._walk.start()

    def _read_redis(self) -> None:
        cache, state = self._services.connections.cache, self._services.connections.state
        used = _read_server(cache.client, cache.breaker)
        _show_server("cache", used)
        metrics.KEPT_BYTES.set(used.get("used_memory"), "redis")
        metrics.KEPT_BYTES_LIMIT.set(used.get("maxmemory") or None, "redis")
        # One Redis for both is shown as both: what it evicts, the state loses too.
        _show_server("state", used if self._services.connections.shared else _read_server(state.client, state.breaker))

    def _read_jobs(self) -> None:
        try:
            stats = self._services.jobs.store.stats()
        except QueueUnavailable:
            for gauge in (
                metrics.JOBS,
                metrics.QUEUE_MESSAGES,
                metrics.OLDEST_JOB_AGE,
                metrics.WORKER_SEEN_AGE,
                metrics.WEBHOOKS_UNDELIVERED,
            ):
                gauge.clear()
            return
        for state, count in stats.jobs.items():
            metrics.JOBS.set(count, state)
        for queue, count in stats.queued.items():
            metrics.QUEUE_MESSAGES.set(count, queue)
        metrics.OLDEST_JOB_AGE.set(stats.oldest_seconds or 0)
        metrics.WORKER_SEEN_AGE.set(stats.worker_seen_seconds)
        metrics.WEBHOOKS_UNDELIVERED.set(stats.undelivered)

    def _read_sites(self) -> None:
        if time.monotonic() < self._next_query:
            return
        try:
            metrics.SITES_DUE.set(count_due(self._services.database))
        except DatabaseUnavailable:
            metrics.SITES_DUE.set(None)
            self._next_query = time.monotonic() + DATABASE_PAUSE_SECONDS

    def _read_purges(self) -> None:
        longest: dict[str, float] = {}
        for cache, seconds in self._services.purging.in_front.unconfirmed():
            longest[cache.kind] = max(seconds, longest.get(cache.kind, 0))
        for kind in metrics.PURGE_UNCONFIRMED_AGE.labels["cache"]:
            metrics.PURGE_UNCONFIRMED_AGE.set(longest.get(kind), kind)

    def _folders(self) -> Mapping[str, Path]:
        settings = self._services.settings
        originals = {"originals": settings.originals_dir} if settings.originals == "folder" else {}
        return originals if settings.s3_bucket else originals | {"permanent": settings.persist_dir}

    def _read_disks(self) -> None:
        for kind, folder in self._folders().items():
            size = free = None
            with suppress(OSError):
                there = next(each for each in (folder.absolute(), *folder.absolute().parents) if each.exists())
                size, _, free = shutil.disk_usage(there)
            metrics.DISK_BYTES.set(size, kind)
            metrics.DISK_FREE_BYTES.set(free, kind)

    def _walk_folders(self) -> None:
        """Measure the folders, which may take minutes: so it is done beside the other readings."""
        began = time.monotonic()
        for kind, folder in self._folders().items():
            size = self._services.cpu.run(lambda folder=folder: _size_of(folder), pixels=0)  # type: ignore[misc]
            metrics.KEPT_BYTES.set(size, kind)
        if self._services.settings.originals == "folder":
            metrics.KEPT_BYTES_LIMIT.set(self._services.settings.originals_max_bytes, "originals")
        self._next_walk = began + max(FOLDER_SECONDS, (time.monotonic() - began) / FOLDER_SHARE)


def _read_server(client: Any, breaker: RedisBreaker) -> dict[str, Any]:
    """Return what a Redis server says of itself, nothing if it does not answer."""
    ask: Callable[[], dict[str, Any]] = client.info  # the usual sections: memory and stats are among them
    return breaker.call("memory_unread", ask)[0] or {}


def _show_server(name: str, told: dict[str, Any]) -> None:
    metrics.REDIS_MEMORY.set(told.get("used_memory"), name)
    metrics.REDIS_MEMORY_LIMIT.set(told.get("maxmemory") or None, name)
    metrics.REDIS_EVICTIONS.set(told.get("evicted_keys"), name)


def _size_of(folder: Path) -> int:
    """Add up the bytes of all files below a folder; of one that is missing, 0."""
    total = 0
    for inner, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                total += (Path(inner) / name).lstat().st_size
    return total
