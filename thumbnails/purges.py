"""Marks of purges: no picture of these pages is shown that was captured before a moment.

A purge writes one mark, however many pictures there are, and each process reads the marks every two seconds. So it holds
for pictures in the memory of every process, in Redis and among the originals at once. The files themselves are removed
afterwards (`purge`), and then the mark is, too.

The marks are a hash in the state's Redis: what is purged → the moment, in Unix seconds. Each change of them writes a new
token, so a process which knows them asks for the token alone.
"""

import secrets
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import structlog

from coordination import StateRedis
from errors import QueueUnavailable
from options import Target

READ_SECONDS = 2.0
MOST_MARKS = 20_000
MOST_BY_PAGES = MOST_MARKS // 2  # so that pages which opt out leave room for operators
_log = structlog.get_logger()
_KEPT_SECONDS = 40 * 86400  # longer than any picture of a page is kept
_EVERYTHING, _HOST, _DOMAIN, _PAGE = "all", "host ", "domain ", "page "
# Writes marks, unless there would be too many. An older mark never replaces a newer one. A mark of all pages stands for all
# that are older, so it always has room.
_MARK = """
local new = 0
for i = 4, #ARGV, 2 do
  if ARGV[i] == 'all' then
    local known = redis.call('hgetall', KEYS[1])
    for k = 1, #known, 2 do
      if tonumber(known[k + 1]) <= tonumber(ARGV[i + 1]) then
        redis.call('hdel', KEYS[1], known[k])
        redis.call('hdel', KEYS[3], known[k])
      end
    end
  end
  new = new + 1 - redis.call('hexists', KEYS[1], ARGV[i])
end
if new > 0 and redis.call('hlen', KEYS[1]) + new > tonumber(ARGV[3]) then return 0 end
for i = 4, #ARGV, 2 do
  local known = redis.call('hget', KEYS[1], ARGV[i])
  if not known or tonumber(known) < tonumber(ARGV[i + 1]) then redis.call('hset', KEYS[1], ARGV[i], ARGV[i + 1]) end
end
redis.call('expire', KEYS[1], ARGV[2])
redis.call('set', KEYS[2], ARGV[1], 'ex', ARGV[2])
return 1
"""
# Removes a mark unless a newer purge has replaced it.
_UNMARK = """
for i = 3, #ARGV, 2 do
  if redis.call('hget', KEYS[1], ARGV[i]) == ARGV[i + 1] then
    redis.call('hdel', KEYS[1], ARGV[i])
    redis.call('hdel', KEYS[3], ARGV[i])
  end
end
return redis.call('set', KEYS[2], ARGV[1], 'ex', ARGV[2])
"""


@dataclass(frozen=True, slots=True)
class Scope:
    """The pages that a purge is about: one page, all of a host, of a host with its subdomains, or all pages."""

    name: str

    @classmethod
    def everything(cls) -> "Scope":
        return cls(_EVERYTHING)

    @classmethod
    def host(cls, host: str, *, subdomains: bool = False) -> "Scope":
        """`subdomains` stands for the subdomains alone, as in `*.example.com`."""
        return cls((_DOMAIN if subdomains else _HOST) + host)

    @classmethod
    def page(cls, url: str) -> "Scope":
        """`url` is canonical."""
        return cls(_PAGE + url)


@dataclass(frozen=True, slots=True)
class Marks:
    """The marks as one process knows them: Unix seconds by scope."""

    moments: Mapping[str, float] = field(default_factory=dict)

    def before(self, target: Target) -> float:
        """Return the moment (Unix seconds) before which pictures of `target` are gone; 0 if none is."""
        if target.is_document:
            return max(self.moments.get(name, 0.0) for name in (_EVERYTHING, _PAGE + target.url))
        if not target.host:  # a picture of the catalogue, which has a history of its own
            return 0.0
        found = [_EVERYTHING, _HOST + target.host, _PAGE + target.url]
        labels = target.host.split(".")
        found += [_DOMAIN + ".".join(labels[start:]) for start in range(1, len(labels))]
        return max(self.moments.get(name, 0.0) for name in found)


class Purges:
    def __init__(self, state: StateRedis) -> None:
        self._client = state.client
        self._breaker = state.breaker
        self._keys = [state.keys.purges(), state.keys.purges_changed(), state.keys.purges_swept()]
        self._mark: Any = state.client.register_script(_MARK)
        self._unmark: Any = state.client.register_script(_UNMARK)
        self._known = Marks()
        self._change: bytes | None = b""
        self._closed = threading.Event()

    def start(self) -> None:
        """Read the marks now, and then again and again in a thread of this process: a thread does not survive a fork."""
        self.refresh()
        threading.Thread(target=self._read_repeatedly, name="purges", daemon=True).start()

    def close(self) -> None:
        self._closed.set()

    def refresh(self) -> None:
        """Read the marks if they have changed. While Redis cannot be reached, those of before hold."""
        change, reached = self._breaker.call("purges_unreachable", lambda: self._client.get(self._keys[1]))
        if not reached or change == self._change:
            return
        marks = self.marks()
        if marks is not None:
            self._known, self._change = Marks(marks), cast("bytes | None", change)

    def before(self, target: Target) -> float:
        """Return the moment (Unix seconds) before which pictures of `target` are gone; 0 if none is."""
        return self._known.before(target) if self._known.moments else 0.0

    def mark(self, scopes: Iterable[Scope], before: float, most: int = MOST_MARKS) -> None:
        """Let no picture of `scopes` be shown that was captured before `before` (Unix seconds).

        Raises QueueUnavailable if the state's Redis cannot be reached, or there would be more than `most` marks.
        """
        names = [scope.name for scope in scopes]
        args = [
            secrets.token_hex(8),
            _KEPT_SECONDS,
            most,
            *(word for name in names for word in (name, repr(before))),
        ]
        written, reached = self._breaker.call("purges_unreachable", lambda: self._mark(keys=self._keys, args=args))
        if not reached:
            raise QueueUnavailable("the purge could not be noted; try again later")
        if not written:
            _log.error("purges_full", most=most, action="purge whole hosts, or all; marks go two hours after a purge")
            raise QueueUnavailable("too many purges are in force; purge all pages, or try again in two hours")
        self.refresh()

    def marks(self) -> dict[str, float] | None:
        """Read all marks; None if the state's Redis cannot be reached."""
        return self._read_all(self._keys[0])

    def unswept(self, marks: Mapping[str, float]) -> dict[str, float]:
        """Return those of `marks` of which not all pictures were removed yet."""
        swept = self._read_all(self._keys[2]) or {}
        return {name: moment for name, moment in marks.items() if swept.get(name) != moment}

    def note_swept(self, marks: Mapping[str, float]) -> None:
        """Note that all pictures that `marks` are about were removed."""

        def write() -> None:
            with self._client.pipeline() as both:
                both.hset(self._keys[2], mapping={name: repr(moment) for name, moment in marks.items()})
                both.expire(self._keys[2], _KEPT_SECONDS)
                both.execute()

        if marks:
            self._breaker.call("purges_unreachable", write)

    def unmark(self, marks: Mapping[str, float]) -> None:
        """Remove marks of which all pictures are removed."""
        words = [word for name, moment in marks.items() for word in (name, repr(moment))]
        if words:
            args = [secrets.token_hex(8), _KEPT_SECONDS, *words]
            self._breaker.call("purges_unreachable", lambda: self._unmark(keys=self._keys, args=args))

    def _read_all(self, key: str) -> dict[str, float] | None:
        values, reached = self._breaker.call(
            "purges_unreachable", lambda: cast("dict[bytes, bytes]", self._client.hgetall(key))
        )
        return _read(values or {}) if reached else None

    def _read_repeatedly(self) -> None:
        while not self._closed.wait(READ_SECONDS):
            self.refresh()


def _read(values: Mapping[bytes, bytes]) -> dict[str, float]:
    return {name.decode(errors="replace"): float(moment) for name, moment in values.items()}
