"""Reads, every few seconds, what the processes of a soak use, how much is kept, and how much waits."""

import os
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import redis
import requests

from bench.soak.service import Installation
from tests.support.scrape import Metrics

MIB = 1 << 20
EVERY_SECONDS = 5
REDIS = {"Redis (cache)": "REDIS_URL", "Redis (state)": "STATE_REDIS_URL"}
FOLDERS = {"originals": "originals", "permanent": "media", "catalogue": "data", "temporary": "tmp"}
WORKERS = ["WORKER", "WORKER_2"]
COUNTED: dict[str, tuple[list[str], str, dict[str, str]]] = {  # what happened, by the counters of these processes
    "captures": (["WEB"], "thumbnails_captures_total", {"outcome": "ok"}),
    "captures of the workers": (WORKERS, "thumbnails_captures_total", {"outcome": "ok"}),
    "site captures": (WORKERS, "thumbnails_site_captures_total", {"outcome": "captured"}),
    "browser starts": (["ENGINE", "ENGINE_2"], "thumbnails_engine_browser_starts_total", {}),
    "evictions": (["WEB"], "thumbnails_evictions_total", {}),
}

# A killed process may have sent a part of its metrics.
NOT_READ = (requests.RequestException, ValueError)

Samples = list[tuple[float, float]]


@dataclass
class Watch:
    """All that was seen so far: pairs of the seconds since the start and a value, by name. Memory and sizes are in MiB."""

    installation: Installation
    memory: dict[str, Samples] = field(default_factory=lambda: defaultdict(list))  # PSS of all processes of a kind
    descriptors: dict[str, Samples] = field(default_factory=lambda: defaultdict(list))
    # Of each process, by its kind, pid and start. Its memory is RSS: its share of PSS changes when another process ends.
    memory_of: dict[tuple[str, int, int], Samples] = field(default_factory=lambda: defaultdict(list))
    descriptors_of: dict[tuple[str, int, int], Samples] = field(default_factory=lambda: defaultdict(list))
    kept: dict[str, Samples] = field(default_factory=lambda: defaultdict(list))
    waiting: dict[str, Samples] = field(default_factory=lambda: defaultdict(list))
    load: Samples = field(default_factory=list)
    counted: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    _last: dict[tuple[str, str], float] = field(default_factory=dict)

    def look(self, now: float) -> None:
        self._processes(now)
        self._sizes(now)
        self._metrics(now)
        self.load.append((now, float(Path("/proc/loadavg").read_text(encoding="ascii").split()[0])))

    def _processes(self, now: float) -> None:
        memory, descriptors = defaultdict(float), defaultdict(int)
        for each in self.installation.members():
            with suppress(OSError):  # it has just ended
                resident, used = _memory(each.pid)
                opened = len(list(Path(f"/proc/{each.pid}/fd").iterdir()))
                key = (each.kind, each.pid, each.began)
                self.memory_of[key].append((now, resident))
                self.descriptors_of[key].append((now, opened))
                memory[each.kind] += used
                descriptors[each.kind] += opened
        for kind in memory:
            self.memory[kind].append((now, memory[kind]))
            self.descriptors[kind].append((now, descriptors[kind]))

    def _sizes(self, now: float) -> None:
        for name, variable in REDIS.items():
            with suppress(redis.RedisError), redis.Redis.from_url(self.installation.env[variable]) as client:
                self.kept[name].append((now, client.info("memory")["used_memory"] / MIB))
        for name, folder in FOLDERS.items():
            self.kept[name].append((now, folder_bytes(self.installation.folder / folder) / MIB))

    def _metrics(self, now: float) -> None:
        with suppress(*NOT_READ):
            worker = self._of("WORKER")
            for name, metric in {
                "messages in queues": "thumbnails_queue_messages",
                "sites due": "thumbnails_sites_due",
                "age of the oldest job, s": "thumbnails_oldest_job_age_seconds",
            }.items():
                value = worker.value(metric)
                if value is not None:
                    self.waiting[name].append((now, value))
        for name, (processes, metric, labels) in COUNTED.items():
            for process in processes:
                with suppress(*NOT_READ):
                    self._add(name, process, self._of(process).value(metric, **labels) or 0)

    def _add(self, name: str, process: str, value: float) -> None:
        """Add up a counter, which begins at 0 again when its process does."""
        last = self._last.get((name, process), 0)
        self.counted[name] += value - last if value >= last else value
        self._last[name, process] = value

    def _of(self, process: str) -> Metrics:
        return Metrics(int(self.installation.env[f"PROMETHEUS_PORT_{process}"]))


def _memory(pid: int) -> tuple[float, float]:
    """Return the memory of a process in MiB: RSS, and PSS, in which what it shares with others counts in part."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    found = {name: int(words[0]) / 1024 for name, *words in map(str.split, lines) if name in ("Rss:", "Pss:")}
    if len(found) < 2:
        raise ProcessLookupError(pid)
    return found["Rss:"], found["Pss:"]


def folder_bytes(folder: Path) -> int:
    """Return what the files below `folder` take on the disk. Files and folders may go away meanwhile."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                total += Path(place, name).lstat().st_blocks * 512
    return total
