"""Restart commands that end by themselves, but not without end: honcho would stop all others at once."""

import contextlib
import multiprocessing
import os
import signal
import time
from collections import defaultdict, deque
from collections.abc import Mapping
from typing import Any

from honcho.manager import Manager
from honcho.process import Process

MOST_RESTARTS, WINDOW_SECONDS = 3, 60.0
INVALID_SETTINGS = os.EX_CONFIG  # with which our processes end: to start again would not help


class Restarts:
    """Stands between honcho's manager and its queue of events, and hides from it the end of what is restarted."""

    def __init__(self, manager: Manager, processes: Mapping[str, Process]) -> None:
        """`processes` are the manager's, by name."""
        self._manager = manager
        self._processes = processes
        self._events = manager.events
        self._ended: dict[str, deque[float]] = defaultdict(deque)
        self.reason = ""  # why the last process that ended was not restarted
        manager.events = self

    def put(self, message: Any) -> None:
        self._events.put(message)

    def get(self, timeout: float) -> Any:
        """Return the next event. Raises queue.Empty after `timeout` seconds."""
        message = self._events.get(timeout=timeout)
        stopping = self._manager.returncode is not None
        if message.type == "stop" and not stopping:
            return self._restarted(message)
        if message.type == "start" and stopping:  # it began while all others were told to stop
            with contextlib.suppress(ProcessLookupError):
                os.killpg(message.data["pid"], signal.SIGTERM)
        return message

    def _restarted(self, stop: Any) -> Any:
        """Restart what ended, and return a line about it instead; or say why not, and return `stop`."""
        status, ended = stop.data["returncode"], self._ended[stop.name]
        now = time.monotonic()
        while ended and ended[0] < now - WINDOW_SECONDS:
            ended.popleft()
        if status == INVALID_SETTINGS:
            self.reason = "by itself, because of its settings"
        elif len(ended) == MOST_RESTARTS:
            self.reason = f"by itself, for the {MOST_RESTARTS + 1}th time within a minute"
        else:
            pause = 2 ** len(ended)
            ended.append(now)
            arguments = (self._processes[stop.name], self, pause)
            multiprocessing.Process(name=stop.name, target=_run_later, args=arguments).start()
            text = f"{stop.name} ended (rc={status}) by itself; restart {len(ended)} of {MOST_RESTARTS} a minute in {pause} s\n"
            return stop._replace(type="line", data=text, name="system", colour=None)
        return stop


def _run_later(process: Process, events: Restarts, pause: float) -> None:
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, lambda *_: None)  # not ignored, as the command would inherit that
    time.sleep(pause)
    process.run(events, ignore_signals=True)
