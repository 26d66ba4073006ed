"""The cache: pictures, when their pages were captured, and failures. In Redis, behind a small tier in memory.

Originals are in a store of their own. A rendition that is the captured file itself is not kept twice: the original is
looked up in its place. While Redis cannot be reached, every look-up is a miss, and none is an error.
"""

import json
import math
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from typing import Any, TypeVar, cast

import structlog
from cachetools import TTLCache

import errors
import images
from coordination import CacheRedis, KeyTracking
from errors import QueueUnavailable, ThumbnailError
from model import Key, Picture, ThumbnailRequest
from options import FORMATS, Target
from storage import OriginalStore
from thumbnails.known import Kept, Known, Levels, OriginalInfo, RememberedFailure
from thumbnails.memory import NO_TIER, LocalTier, PictureMemory
from thumbnails.packing import HEAD_BYTES, CutOff, Head, add_pixels, pack, pack_pixels, read_head, unpack, unpack_head
from thumbnails.purges import MOST_BY_PAGES, Purges, Scope
from thumbnails.redis_originals import RedisOriginals

T = TypeVar("T")
_log = structlog.get_logger()

_PIXELS = ".pixels"  # what ends the name of an original's pixels
_SUSPECT, _ERROR = b"suspect ", b"error "

HAND_OVER_SECONDS = 30  # how long an original is in Redis for machines that wait for it and share no store
_PEEKED_BYTES = 1 << 16  # of an original: its head, with all that the page says of itself
_AT_A_TIME = 500  # keys in one call to Redis
_WAITED_SECONDS = 180  # longer than a caller waits for a capture
# Notes when a page was captured, deletes earlier failures, and returns the places where others wait for the original.
_NOTE_ORIGINAL = """
redis.call('set', KEYS[1], ARGV[1], 'ex', ARGV[2])
if ARGV[3] == '1' then redis.call('del', KEYS[2]) end
local places = redis.call('smembers', KEYS[3])
redis.call('del', KEYS[3])
return places
"""
_WAIT = """
redis.call('sadd', KEYS[1], ARGV[1])
return redis.call('expire', KEYS[1], ARGV[2])
"""


class PictureCache:
    """Pictures and failures by key. Freshness is judged elsewhere."""

    def __init__(
        self,
        shared: CacheRedis,
        local: LocalTier = NO_TIER,
        originals: OriginalStore | None = None,
        purges: Purges | None = None,
        on_withdrawn: Callable[[Target], None] = lambda _: None,
    ) -> None:
        """The default for `originals` is Redis.

        What `purges` marks is not there, whatever tier it lies in. `on_withdrawn` is told of pages that are shown no more.
        """
        self._client = shared.client
        self._breaker = shared.breaker
        self._keys = shared.keys
        self._originals = originals or RedisOriginals(shared)
        self._purges = purges
        self._on_withdrawn = on_withdrawn
        self._note_original: Any = shared.client.register_script(_NOTE_ORIGINAL)
        self._wait: Any = shared.client.register_script(_WAIT)
        self._tracking = KeyTracking(shared, self._keys.picture(""), self._keys.original(""))
        self._memory = PictureMemory(local, self._tracking)
        self._disk = local.disk
        self._brief: TTLCache[str, bool] = TTLCache(4096, HAND_OVER_SECONDS)  # originals that the store did not keep
        self._failures: TTLCache[str, str] = TTLCache(4096, local.trust_seconds)
        self._backing_off: TTLCache[tuple[str, str], bool] = TTLCache(4096, local.trust_seconds)
        self._lock = threading.Lock()

    def track(self) -> None:
        """Trust what is in memory until Redis reports a change, from now on and in this process."""
        if self._memory.max_bytes:
            self._tracking.start(lambda name: self._memory.forget(name and name.rpartition(":")[2]))

    def close(self) -> None:
        self._tracking.close()
        if self._disk is not None:
            self._disk.close()

    @property
    def memory_bytes(self) -> int:
        """How many bytes of pictures this process keeps in memory."""
        return self._memory.bytes

    @property
    def disk_bytes(self) -> int:
        """How many bytes of pictures this process has on its disk."""
        return self._disk.used if self._disk else 0

    @property
    def disk_limit(self) -> int | None:
        """How many bytes that may be; None if this process has none."""
        return self._disk.max_bytes if self._disk and self._disk.used else None

    def look_up(self, request: ThumbnailRequest, *, reload: bool = False) -> Known:
        """Look `request` up: in memory unless `reload`, else by one call to Redis."""
        remembered = None if reload else self._recall(request, request.rendition_key)
        if remembered is not None:
            return Known(remembered, complete=False)
        mark = self._memory.mark()
        names = [self._keys.picture(request.rendition_key.digest), *self._page_keys(request)]
        values, reachable = self._call(lambda: cast("list[bytes | None]", self._client.mget(names)))
        body, *state = values or (None,)
        rendition = self._unpurged(request, unpack(body, request.rendition_key) if body else None)
        known = Known(rendition, *self._read_page(request, state), reachable)
        if rendition is None and known.original and self._may_be_as_captured(request):
            known = replace(known, rendition=self._as_captured(request, known))
        if known.rendition is not None and not known.outdated:
            self._memory.remember(request.rendition_key, known.rendition, request.capture_key, mark)
        return known

    def _may_be_as_captured(self, request: ThumbnailRequest) -> bool:
        """Return whether it is worth while to read the original in place of a rendition that Redis does not have."""
        width, narrowest = request.rendition.w, request.capture.width * request.capture.scale
        rendition = request.rendition
        lossless = not FORMATS[rendition.format].lossy and not rendition.provenance
        return self._has_store and lossless and (width is None or width >= narrowest)

    def _as_captured(self, request: ThumbnailRequest, known: Known) -> Picture | None:
        """Return the original if it already is the rendition."""
        key = request.capture_key
        original = self._recall(request, key) or self._unpack_original(request, pixels=False)
        if original is None or known.supersedes(original) or not is_as_captured(original, request):
            return None
        return replace(original, pixels=b"")

    def peek(self, request: ThumbnailRequest) -> Levels:
        """Look at each level without using it: what is purged or outdated is there, too, and nothing counts as used."""
        names = [self._keys.picture(request.rendition_key.digest), *self._page_keys(request)]

        def read() -> list[Any]:
            with self._client.pipeline(transaction=False) as pipe:
                for name in names:
                    pipe.get(name)
                    pipe.ttl(name)
                return pipe.execute()

        values, reachable = self._call(read)
        body, body_left, note, note_left, failure, _ = values or (None,) * 6
        rendition = unpack(body, request.rendition_key) if body else None
        info = _unpack_info(note) if note else None
        beginning = self._originals.peek(request.capture_key.digest, _PEEKED_BYTES)
        found = unpack_head(beginning.head, request.capture_key) if beginning else None
        left = int(beginning.until - time.time()) if beginning and beginning.until else None
        return Levels(
            memory=self._peek_memory(request.rendition_key),
            rendition=Kept(rendition, len(rendition.body), body_left) if rendition else None,
            note=info,
            note_seconds=note_left if info else None,
            original_memory=self._peek_memory(request.capture_key),
            original=Kept(*found, left) if found else None,
            failure=self._read_failure(request, failure),
            purged_before=self._purges.before(request.target) if self._purges else 0.0,
            reachable=reachable,
        )

    def _peek_memory(self, key: Key) -> Kept | None:
        found = self._memory.peek(key)
        return Kept(found[0], len(found[0].body), age=found[1]) if found else None

    def page(self, request: ThumbnailRequest) -> tuple[OriginalInfo | None, RememberedFailure | None]:
        """Read when the page was last captured, and its failure."""
        values, _ = self._call(lambda: cast("list[bytes | None]", self._client.mget(self._page_keys(request))))
        return self._read_page(request, values or ())

    def original(self, request: ThumbnailRequest, *, reload: bool = False) -> Picture | None:
        """Return the original of `request`, which may be stale."""
        remembered = None if reload else self._recall(request, request.capture_key)
        if remembered is not None:
            return remembered
        original = self._unpack_original(request, pixels=True)
        if original is not None:
            self._remember_original(request, original)
        return original

    def info_of_original(self, request: ThumbnailRequest) -> OriginalInfo | None:
        """Tell from the original itself when the page was last captured."""
        original = self._recall(request, request.capture_key) or self._unpack_original(request, pixels=False)
        return OriginalInfo.of(original) if original else None

    def want_original(self, request: ThumbnailRequest) -> None:
        """Note that this process waits for an original, so that another machine hands it over."""
        if self._has_store:
            name = self._keys.wanted(request.capture_key.digest)
            self._call(lambda: self._wait(keys=[name], args=[self._originals.place, _WAITED_SECONDS]))

    def original_or_failure(self, request: ThumbnailRequest) -> tuple[Picture | None, RememberedFailure | None]:
        """Return the page's original or failure, which another process may have just stored."""
        digest = request.capture_key.digest
        names = [self._keys.picture(digest), self._keys.failure(digest)]
        values, _ = self._call(lambda: cast("list[bytes | None]", self._client.mget(names)))
        handed_over, failure = values or (None, None)
        if handed_over is None and self._has_store:
            original = self.original(request, reload=True)
        else:
            original = self._unpurged(request, unpack(handed_over, request.capture_key) if handed_over else None)
        return original, self._read_failure(request, failure)

    def rendition(self, request: ThumbnailRequest) -> Picture | None:
        """Return the rendition of `request`, which may be stale."""
        return self.look_up(request).rendition

    def info(self, request: ThumbnailRequest) -> OriginalInfo | None:
        """Read when the page was last captured."""
        value, _ = self._call(lambda: self._client.get(self._keys.original(request.capture_key.digest)))
        return self._read_info(request, value if isinstance(value, bytes) else None)

    def knows(self, request: ThumbnailRequest) -> bool:
        """Return whether the page has a picture or a failure. True while Redis is unreachable."""
        pair = request.rendition_key, request.capture_key
        with self._lock:
            remembered = request.capture_key.digest in self._failures
        if remembered or any(self._recall(request, key) for key in pair):
            return True
        noted, failed = self._page_keys(request)
        names = [*(self._keys.picture(key.digest) for key in pair), failed]
        if self._has_store:
            names.append(noted)  # the original itself would cost a call to another store
        found, reachable = self._call(lambda: self._client.exists(*names))
        return bool(found) or not reachable

    def trust(self, request: ThumbnailRequest, rendition: Picture) -> None:
        """Answer with `rendition` from memory for some seconds, although its page was captured again."""
        self._memory.remember(request.rendition_key, rendition, request.capture_key)

    def put_rendition(
        self, request: ThumbnailRequest, picture: Picture, keep: int, *, as_captured: bool = False
    ) -> None:
        """Keep `picture` for `keep` seconds, if Redis can be reached. One `as_captured` is kept with the original."""
        key, mark = request.rendition_key, self._memory.mark()
        with self._lock:
            is_elsewhere = self._has_store and request.capture_key.digest not in self._brief
        if not (as_captured and is_elsewhere):
            self._call(lambda: self._client.set(self._keys.picture(key.digest), pack(picture, key), ex=max(keep, 1)))
        self._memory.remember(key, picture, request.capture_key, mark)

    def put_original(
        self, request: ThumbnailRequest, picture: Picture, keep: int, keep_info: int, *, brief: bool = False
    ) -> None:
        """Keep `picture` for `keep` seconds and its time for `keep_info`. A good picture ends earlier failures.

        A `brief` one is not kept for as long as its renditions.
        """
        key, good = request.capture_key, not picture.suspect
        kept = self._originals.put(key.digest, pack(picture, key), max(keep, 1))
        if kept and picture.pixels and self._originals.takes_pixels:
            self._originals.put(key.digest + _PIXELS, pack_pixels(picture), max(keep, 1))
        with self._lock:
            if good:
                self._failures.pop(key.digest, None)
            if brief or not kept:
                self._brief[key.digest] = True
            else:
                self._brief.pop(key.digest, None)
        names = [*self._page_keys(request), self._keys.wanted(key.digest)]
        values = [_pack_info(picture), max(keep_info, 1), int(good)]
        places, _ = self._call(lambda: self._note_original(keys=names, args=values))
        self._remember_original(request, picture)  # afterwards, since the note is reported as a change of the page
        if any(place.decode() != self._originals.place for place in places or ()):
            name, value = self._keys.picture(key.digest), pack(picture, key)
            self._call(lambda: self._client.set(name, value, ex=HAND_OVER_SECONDS))

    def supersede(self, requests: Iterable[ThumbnailRequest], seconds: int) -> bool:
        """Show no rendition any more that was made of the pages of `requests` before now, for `seconds`.

        False if Redis could not be told: other processes then show what they have.
        """
        note, reached = repr(time.time()).encode(), True
        digests = (request.capture_key.digest for request in requests)
        while some := [*islice(digests, _AT_A_TIME)]:

            def write(some: Sequence[str] = some) -> None:
                with self._client.pipeline(transaction=False) as pipe:
                    for digest in some:
                        pipe.set(self._keys.original(digest), note, ex=max(seconds, 1))
                    pipe.execute()

            for digest in some:
                self._memory.forget(digest)
            reached = self._call(write)[1] and reached
        return reached

    def withdraw(self, target: Target) -> None:
        """Show no picture of the page any more that was captured before now, whatever its options and wherever it is kept."""
        if self._purges is None:
            return
        try:
            self._purges.mark([Scope.page(target.url)], time.time(), MOST_BY_PAGES)
        except QueueUnavailable as err:  # they expire in any case
            _log.warning("page_not_withdrawn", host=target.host, reason=err.reason)
        else:
            self._on_withdrawn(target)

    def remove_where(self, is_gone: Callable[[Head], bool]) -> int:
        """Remove each picture of whose head `is_gone` is true from Redis and the store of originals. Return their count.

        Looks at all of them. Raises redis.RedisError or OSError.
        """

        def is_gone_by(beginning: bytes) -> bool:
            head = read_head(beginning)
            return head is not None and is_gone(head)

        gone = 0
        found = self._client.scan_iter(self._keys.picture("*"), count=_AT_A_TIME)
        while names := list(islice(found, _AT_A_TIME)):
            gone += self._remove_where(names, is_gone_by)
        self._memory.clear()
        return gone + self._originals.discard_where(is_gone_by, HEAD_BYTES)

    def _remove_where(self, names: Sequence[bytes], is_gone_by: Callable[[bytes], bool]) -> int:
        beginnings = self._client.pipeline(transaction=False)
        for name in names:
            beginnings.getrange(name, 0, HEAD_BYTES - 1)
        gone = []
        for name, beginning in zip(names, beginnings.execute(), strict=True):
            try:
                is_gone = is_gone_by(beginning)
            except CutOff:
                is_gone = is_gone_by(cast("bytes", self._client.get(name)) or b"")
            if is_gone:
                gone.append(name)
        if gone:
            self._client.delete(*gone)
        return len(gone)

    def put_failure(self, request: ThumbnailRequest, err: ThumbnailError, seconds: int) -> None:
        """Keep a failure of the page for `seconds`; in this process alone, and briefly, while Redis cannot be reached."""
        key = request.capture_key
        text = json.dumps(errors.to_record(err) | {"at": time.time(), "until": time.time() + seconds})
        with self._lock:
            self._failures[key.digest] = text
        self._call(lambda: self._client.set(self._keys.failure(key.digest), text, ex=seconds))

    def forget_failure(self, request: ThumbnailRequest, before: float = math.inf) -> None:
        """Forget a failure of the page, unless it happened after `before` (Unix seconds)."""
        key = request.capture_key
        value, _ = self._call(lambda: self._client.get(self._keys.failure(key.digest)))
        failure = self._read_failure(request, value)
        if failure is None or failure.at > before:
            return
        with self._lock:
            self._failures.pop(key.digest, None)
        self._call(lambda: self._client.delete(self._keys.failure(key.digest)))

    def back_off(self, request: ThumbnailRequest, client: str = "") -> None:
        """Start no background capture of the page for some seconds, in this process: for `client`, or for all clients."""
        with self._lock:
            self._backing_off[request.capture_key.digest, client] = True

    def is_backing_off(self, request: ThumbnailRequest, client: str) -> bool:
        digest = request.capture_key.digest
        with self._lock:
            return (digest, "") in self._backing_off or (digest, client) in self._backing_off

    @property
    def _has_store(self) -> bool:
        """Whether originals are elsewhere than in Redis."""
        return not isinstance(self._originals, RedisOriginals)

    def _recall(self, request: ThumbnailRequest, key: Key) -> Picture | None:
        picture = self._memory.recall(key)
        if picture is not None and (used := self._memory.take_used()):
            names = [name for each, page in used for name in (self._keys.picture(each), self._keys.original(page))]
            self._call(lambda: self._client.touch(*names))
        return self._unpurged(request, picture)

    def _unpurged(self, request: ThumbnailRequest, picture: Picture | None) -> Picture | None:
        """Return the picture unless a purge is about it."""
        if picture is None or self._purges is None:
            return picture
        before = self._purges.before(request.target)
        return None if before and picture.captured_at.timestamp() < before else picture

    def _unpack_original(self, request: ThumbnailRequest, *, pixels: bool) -> Picture | None:
        """Return the original of the store; with its `pixels`, if the store has them, to make renditions of it."""
        key = request.capture_key
        value = self._originals.get(key.digest)
        original = self._unpurged(request, unpack(value, key) if value else None)
        if original is None or not (pixels and self._originals.takes_pixels):
            return original
        return add_pixels(original, self._originals.get(key.digest + _PIXELS))

    def _page_keys(self, request: ThumbnailRequest) -> list[str]:
        digest = request.capture_key.digest
        return [self._keys.original(digest), self._keys.failure(digest)]

    def _read_page(
        self, request: ThumbnailRequest, values: Sequence[bytes | None]
    ) -> tuple[OriginalInfo | None, RememberedFailure | None]:
        """Decode the values of `_page_keys`; none if Redis was unreachable."""
        info, failure = values or (None, None)
        known = self._read_info(request, info)
        if known is None and (original := self._recall(request, request.capture_key)):
            known = OriginalInfo.of(original)
        return known, self._read_failure(request, failure)

    def _read_info(self, request: ThumbnailRequest, value: bytes | None) -> OriginalInfo | None:
        info = _unpack_info(value) if value else None
        purged = self._purges.before(request.target) if info and self._purges else 0
        return None if info and purged and info.captured_at.timestamp() < purged else info

    def _read_failure(self, request: ThumbnailRequest, value: object) -> RememberedFailure | None:
        with self._lock:
            text = value.decode() if isinstance(value, bytes) else self._failures.get(request.capture_key.digest)
        failure = _unpack_failure(text) if text else None
        purged = self._purges.before(request.target) if failure and self._purges else 0
        return None if failure and failure.at < purged else failure

    def _remember_original(self, request: ThumbnailRequest, original: Picture) -> None:
        """Keep it for some seconds, in which several renditions are made of it."""
        self._memory.remember(request.capture_key, original, request.capture_key)

    def _call(self, command: Callable[[], T]) -> tuple[T | None, bool]:
        return self._breaker.call("cache_unreachable", command)


def is_as_captured(picture: Picture, request: ThumbnailRequest) -> bool:
    """Return whether the bytes of an original, or of a rendition, are those that `request` gets."""
    size = picture.width, picture.height
    return images.is_as_captured(picture.body, picture.content_type, size, request.rendition)


def _pack_info(picture: Picture) -> bytes:
    mark = _SUSPECT if picture.suspect else _ERROR if picture.notes.shows_error else b""
    return mark + repr(picture.captured_at.timestamp()).encode()


def _unpack_info(value: bytes) -> OriginalInfo | None:
    try:
        captured_at = datetime.fromtimestamp(float(value.removeprefix(_SUSPECT).removeprefix(_ERROR)), UTC)
    except (ValueError, OverflowError):
        return None
    return OriginalInfo(captured_at, value.startswith(_SUSPECT), value.startswith(_ERROR))


def _unpack_failure(text: str) -> RememberedFailure | None:
    try:
        record = json.loads(text)
        left = record["until"] - time.time()
        err = errors.from_record(record, retry_after=max(int(left), 1)) if left > 0 else None
        return RememberedFailure(err, record["at"]) if err else None
    except (ValueError, KeyError, TypeError):
        return None
