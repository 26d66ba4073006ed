"""Tells which steps of an event loop hold it. Python imports this where the folder is on PYTHONPATH.

A process with LOOP_WATCH in its environment writes there each step of asyncio's loop of over 50 ms of processor time: its
seconds, and what it ran. Time in which other processes have the processor does not count. HUB_WATCH is the same for
gevent: see hub_watch.py.
"""

import asyncio
import os
import time
from pathlib import Path

LONGEST = 0.05

if path := os.environ.get("LOOP_WATCH"):
    run = asyncio.Handle._run

    def watched(handle: asyncio.Handle) -> None:
        began = time.thread_time()
        run(handle)
        spent = time.thread_time() - began
        if spent > LONGEST:
            with Path(path).open("a") as log:
                log.write(f"{spent:.3f} {handle!r}\n")

    asyncio.Handle._run = watched

if path := os.environ.get("HUB_WATCH"):
    from hub_watch import install

    install(Path(path), LONGEST)
