"""Locks on webhook receivers: one delivery at a time each, and none for a while if a receiver is unresponsive.

A slow or dead receiver must not keep the worker from capturing, however many webhooks are due to it. Neither must many
slow receivers: one stranger may own any number of host names. So a worker with several processes always keeps one of
them free of deliveries. If the receiver or all slots are taken, a delivery joins a queue. The delivery that releases
them resends the first message of each queue.
"""

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum

from redis.exceptions import LockNotOwnedError
from redis.lock import Lock

from coordination import StateRedis
from jobs import redis_errors_translated

LOCK_SECONDS = 60  # longer than a delivery takes, unless Redis fails while the outcome is recorded
UNRESPONSIVE_SECONDS = 30


class Availability(StrEnum):
    """Whether a delivery may begin now, in some seconds, or only after the receiver's pause."""

    FREE = "free"
    BUSY = "busy"
    UNRESPONSIVE = "unresponsive"


class Receivers:
    """Locks on receivers, by host. Raises QueueUnavailable when Redis is unreachable."""

    def __init__(self, state: StateRedis, concurrency: int = 2) -> None:
        """`concurrency` is the number of processes of one worker."""
        self._client = state.client
        self._keys = state.keys
        self._worker = f"{socket.gethostname()}:{os.getppid()}"  # the parent of its pool's processes
        self._slots = max(concurrency - 1, 1)

    @contextmanager
    def locked(self, host: str, waiter: str) -> Iterator[Availability]:
        """Lock `host` and one of this worker's delivery slots while the block lasts, if both are free.

        Otherwise `waiter` joins the queue for the one that is taken.
        """
        with redis_errors_translated():
            unresponsive = self._client.exists(self._keys.receiver_unresponsive(host))
            locks = () if unresponsive else self._acquire(host, waiter)
        if not locks:
            yield Availability.UNRESPONSIVE if unresponsive else Availability.BUSY
            return
        try:
            yield Availability.FREE
        finally:
            with redis_errors_translated():
                _release(*locks)

    def mark_unresponsive(self, host: str) -> None:
        """Make all deliveries to `host` pause: it took long and then gave no answer."""
        with redis_errors_translated():
            self._client.set(self._keys.receiver_unresponsive(host), b"1", ex=UNRESPONSIVE_SECONDS)

    def pop_waiting(self, host: str) -> list[str]:
        """Remove and return the first waiter of both queues: for a slot, and for `host`."""
        with redis_errors_translated(), self._client.pipeline() as pipe:
            for queue in self._queues(host):
                pipe.zpopmin(queue)
            return [waiter.decode() for popped in pipe.execute() for waiter, _ in popped]

    def _acquire(self, host: str, waiter: str) -> tuple[Lock, ...]:
        """Acquire both locks and return them, or none."""
        for_slot, for_host = self._queues(host)
        receiver = self._lock(self._keys.receiver_held(host))
        if not receiver.acquire():
            self._join_queue(for_host, waiter)
            return ()
        for number in range(self._slots):
            slot = self._lock(self._keys.receiver_slot(self._worker, number))
            if slot.acquire():
                with self._client.pipeline() as pipe:
                    pipe.zrem(for_slot, waiter)
                    pipe.zrem(for_host, waiter)
                    pipe.execute()
                return receiver, slot
        _release(receiver)
        self._join_queue(for_slot, waiter)
        return ()

    def _queues(self, host: str) -> tuple[str, str]:
        """Name the queues for a slot and for `host`. The blank tells them apart: no host contains one."""
        return self._keys.receiver_queue(f" {self._worker}"), self._keys.receiver_queue(host)

    def _join_queue(self, queue: str, waiter: str) -> None:
        with self._client.pipeline() as pipe:
            pipe.zadd(queue, {waiter: time.time()}, nx=True)
            pipe.expire(queue, LOCK_SECONDS)  # the agenda resends every waiter before that
            pipe.execute()

    def _lock(self, name: str) -> Lock:
        return Lock(self._client, name, timeout=LOCK_SECONDS, blocking=False)


def _release(*locks: Lock) -> None:
    for lock in locks:
        with suppress(LockNotOwnedError):  # it has expired, and another delivery may own it by now
            lock.release()
