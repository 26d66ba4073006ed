"""HTML that callers have sent: found by its digest while it is captured.

A process finds what one of its own requests holds. For a job, which another process captures, the HTML lies in the Redis of
the state until the job ends: packed, limited in number and bytes, and no client has more than half of the room.

The index is a sorted set: `<digest> <bytes> <job> <client>` → when the job has surely ended, in Unix seconds.
"""

import threading
import weakref
from typing import Any, cast

import structlog

from coordination import StateRedis
from documents.packing import NotADocument, pack, unpack
from errors import DocumentGone, OverCapacity, QueueUnavailable
from options import Document, Target

KEPT_SECONDS = 86400  # as long as a job may wait for its end
MOST_BYTES = 64 << 20
MOST_DOCUMENTS = 5000
_RETRY_SECONDS = 60
_log = structlog.get_logger()

_KEEP = """
local now = tonumber(redis.call('time')[1])
redis.call('zremrangebyscore', KEYS[1], '-inf', now)
local size, most = tonumber(ARGV[3]), tonumber(ARGV[7])
local all, own, kept = 0, 0, redis.call('zrange', KEYS[1], 0, -1)
for _, each in ipairs(kept) do
  local bytes, client = string.match(each, '^%x+ (%d+) %x+ (.*)$')
  all = all + tonumber(bytes)
  if client == ARGV[5] then own = own + tonumber(bytes) end
end
if #kept >= tonumber(ARGV[8]) or all + size > most or own + size > most / 2 then return 0 end
redis.call('zadd', KEYS[1], now + tonumber(ARGV[6]), table.concat({ARGV[2], ARGV[3], ARGV[4], ARGV[5]}, ' '))
redis.call('expire', KEYS[1], ARGV[6])
redis.call('set', KEYS[2], ARGV[1], 'ex', ARGV[6])
return 1
"""
# Removes what a job has kept, unless another job needs the same document.
_RELEASE = """
local gone, needed = {}, {}
for _, each in ipairs(redis.call('zrange', KEYS[1], 0, -1)) do
  local digest, job = string.match(each, '^(%x+) %d+ (%x+) ')
  if job == ARGV[1] then
    redis.call('zrem', KEYS[1], each)
    gone[digest] = true
  else
    needed[digest] = true
  end
end
for digest in pairs(gone) do
  if not needed[digest] then redis.call('del', ARGV[2] .. digest) end
end
return 1
"""


class DocumentStore:
    def __init__(self, state: StateRedis, most_bytes: int = MOST_BYTES) -> None:
        self._client = state.client
        self._breaker = state.breaker
        self._keys = state.keys
        self._most_bytes = most_bytes
        self._keep: Any = state.client.register_script(_KEEP)
        self._release: Any = state.client.register_script(_RELEASE)
        # A document that no request and no capture holds any more is forgotten by itself.
        self._here: weakref.WeakValueDictionary[str, Document] = weakref.WeakValueDictionary()
        self._lock = threading.Lock()

    def hold(self, document: Document) -> Document:
        """Return the document that stands for `document` in this process. It is found as long as a caller has it.

        Callers that send the same HTML at a time have the same object: one of them captures for all.
        """
        with self._lock:
            return self._here.setdefault(document.digest, document)

    def keep(self, document: Document, job: str, client: str) -> None:
        """Keep a document for a job of `client`, for processes that have not seen it. Call it when the client was charged.

        Raises OverCapacity if there is no room, and QueueUnavailable.
        """
        packed = pack(document)
        names = [self._keys.documents_index(), self._keys.document(document.digest)]
        facts = [packed, document.digest, len(packed), job, client, KEPT_SECONDS, self._most_bytes, MOST_DOCUMENTS]
        kept, reached = self._breaker.call("document_not_kept", lambda: self._keep(keys=names, args=facts))
        if not reached:
            raise QueueUnavailable("the job could not be stored; try again later")
        if not kept:
            raise OverCapacity("too much HTML waits for its capture; try again later", retry_after=_RETRY_SECONDS)

    def release(self, job: str) -> None:
        """Forget what was kept for a job, which has ended."""
        names, prefix = [self._keys.documents_index()], self._keys.document("")
        self._breaker.call("document_not_released", lambda: self._release(keys=names, args=[job, prefix]))

    def find(self, target: Target) -> Document:
        """Return the document that `target` names. Raises DocumentGone."""
        digest = target.url.partition(":")[2]
        with self._lock:
            held = self._here.get(digest)
        if held is not None:
            return held
        name = self._keys.document(digest)
        packed, _ = self._breaker.call("document_unread", lambda: cast("bytes | None", self._client.get(name)))
        try:
            if packed is not None:
                return unpack(packed)
        except NotADocument as err:
            _log.error("document_unreadable", reason=str(err))
        raise DocumentGone("the HTML is not kept any more; send it again")
