"""Tells which greenlets hold gevent's hub for over 50 ms, by gevent's own detector of blocking.

The detector looks every 5 ms whether another greenlet has run. Its periods are of the wall clock, so the time in which the
process's threads wait for a processor that other programs have is subtracted.
"""

import sys
import time
import traceback
from _thread import get_native_id
from contextlib import suppress
from pathlib import Path

from gevent._config import config
from gevent._monitor import PeriodicMonitoringThread
from gevent.hub import Hub

PERIOD = 0.005


class HubWatch:
    def __init__(self, path: Path, longest: float) -> None:
        self._path = path
        self._longest = longest
        self._began = self._last = self._waited = 0.0  # of the step that holds the hub
        self._stack: list[str] = []

    def see(self, hub: Hub, *, held: bool) -> None:
        """Take the detector's finding: whether the hub was held since the last one."""
        now = time.perf_counter()
        if not held:
            self._tell()
            self._began, self._stack = 0, []
            return
        if not self._began:
            self._began, self._waited = now - PERIOD, _without_processor()
        self._last = now
        if not self._stack and now - self._began > self._longest:
            self._stack = traceback.format_stack(sys._current_frames()[hub.thread_ident])

    def _tell(self) -> None:
        """Write down a step that has ended: the kernel counts a thread's wait for a processor when that is over."""
        seconds = self._last - self._began - (_without_processor() - self._waited) if self._stack else 0
        if seconds > self._longest:
            with self._path.open("a") as log:
                log.write(f"{seconds:.3f} s\n{''.join(self._stack)}\n")


def install(path: Path, longest: float) -> None:
    """Watch each hub of this process. The detector's own reports would take longer than its period."""
    watch = HubWatch(path, longest)

    def find(monitor: PeriodicMonitoringThread, hub: Hub) -> None:
        watch.see(hub, held=bool(monitor._greenlet_tracer.did_block_hub(hub)))

    PeriodicMonitoringThread.monitor_blocking = find
    config.monitor_thread, config.max_blocking_time = True, PERIOD


def _without_processor() -> float:
    """Sum up the seconds in which threads were ready to run and had no processor, but for this one: see proc(5), schedstat."""
    waited, own = 0, str(get_native_id())
    for thread in Path("/proc/self/task").iterdir():
        with suppress(OSError):  # the thread may have ended
            waited += int((thread / "schedstat").read_text().split()[1]) if thread.name != own else 0
    return waited / 1e9
