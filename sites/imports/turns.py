"""How many lists a process imports or exports at a time: the longest one takes some 100 MB."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from errors import OverCapacity

AT_ONCE = 2


class ListTurns:
    """One instance per process, for all that import or export."""

    def __init__(self, at_once: int = AT_ONCE) -> None:
        self._free = threading.BoundedSemaphore(at_once)

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Take one of few turns, at once or not at all. Raises OverCapacity."""
        if not self._free.acquire(blocking=False):
            raise OverCapacity("other lists are being imported or exported; try again in a few seconds")
        try:
            yield
        finally:
            self._free.release()
