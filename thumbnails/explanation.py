"""Explains to an operator what the service knows of a page, and what a request for its picture would get and cost.

Captures nothing, charges nothing, stores nothing. Knows no HTTP.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from access import AccessRules, BudgetUsage
from capture import Politeness, ScreenshotAPI
from coordination import Coalescer
from errors import ThumbnailError
from model import ThumbnailRequest
from netguard import Busy, Guard, resolve
from thumbnails.cache import PictureCache
from thumbnails.failures import FailureHistory
from thumbnails.findings import CacheLevels, Findings, HostVerdict, Level, Permission
from thumbnails.forecast import Forecast, foresee
from thumbnails.freshness import Freshness
from thumbnails.known import Kept, Levels, OriginalInfo


@dataclass(frozen=True, slots=True)
class Explanation:
    """What was found, and what a request would get."""

    found: Findings
    forecast: Forecast


class Explainer:
    def __init__(  # noqa: PLR0913 - each knows another part
        self,
        cache: PictureCache,
        *,
        freshness: Freshness,
        access: AccessRules,
        guard: Guard,
        api: ScreenshotAPI,
        coalescer: Coalescer,
        politeness: Politeness,
        failures: FailureHistory,
        originals: str,
        judges_here: bool,
    ) -> None:
        """`originals` is where they lie. Unless this service `judges_here`, the screenshot API alone looks names up."""
        self._cache = cache
        self._freshness = freshness
        self._access = access
        self._guard = guard
        self._api = api
        self._coalescer = coalescer
        self._politeness = politeness
        self._failures = failures
        self._originals = originals
        self._judges_here = judges_here

    def explain(
        self, request: ThumbnailRequest, client: str, budgets: Mapping[str, Sequence[BudgetUsage]]
    ) -> Explanation:
        """Explain what `client`, who has used so much of its `budgets`, would get. Looks the host up, within seconds."""
        levels = self._read_levels(request, self._cache.peek(request))
        guard = self._judge(request)
        target = _permission(lambda: self._access.require_target(request.target))
        size = _permission(lambda: self._access.require_size(request.rendition))
        apis = self._api.describe(request.capture.as_screenshot)
        flight = self._coalescer.describe(request.capture_key.digest)
        host = self._politeness.describe(request.target.host)
        failures = self._failures.of(request.capture_key)
        signed = bool(self._access.signing_keys)
        found = Findings(request, client, levels, guard, target, size, signed, budgets, apis, flight, host, failures)
        return Explanation(found, foresee(found))

    def _read_levels(self, request: ThumbnailRequest, found: Levels) -> CacheLevels:
        note = found.note
        if note and found.purged_before and note.captured_at.timestamp() < found.purged_before:
            note = None

        def level(kept: Kept | None) -> Level | None:
            return self._level(request, kept, note, found.purged_before) if kept else None

        return CacheLevels(
            found.reachable,
            level(found.memory),
            level(found.rendition),
            found.note,
            found.note_seconds,
            level(found.original_memory),
            level(found.original),
            self._originals,
            datetime.fromtimestamp(found.purged_before, UTC) if found.purged_before else None,
            found.failure,
        )

    def _level(self, request: ThumbnailRequest, kept: Kept, note: OriginalInfo | None, purged_before: float) -> Level:
        picture = kept.picture
        fresh_for = self._freshness.fresh_for(picture, request)
        lasts = not (picture.suspect or picture.notes.shows_error)
        stale_for = fresh_for + self._freshness.stale if lasts else 0
        if picture.captured_at.timestamp() < purged_before:
            state = "purged"
        elif note and not note.suspect and note.captured_at > picture.captured_at:
            state = "outdated"
        elif fresh_for > 0:
            state = "fresh"
        else:
            state = "stale" if stale_for > 0 else "expired"
        return Level(state, picture, kept.bytes, max(fresh_for, 0), max(stale_for, 0), kept.seconds, kept.age)

    def _judge(self, request: ThumbnailRequest) -> HostVerdict:
        if request.target.is_document:
            return HostVerdict("document", allowed=True, addresses=(), judged_here=True)
        host, port = request.target.host, request.target.port
        if not self._judges_here or not self._guard.needs_lookup(host, port):
            judged = self._guard.judge_resolved(host, port, ())
            verdict = self._guard.screen(host, port) if not self._judges_here else judged.verdict
            return HostVerdict(
                str(verdict),
                judged.ok or not self._judges_here,
                tuple(map(str, judged.addresses)),
                self._judges_here,
            )
        try:
            addresses = resolve(host, self._guard.lookup)
        except Busy:
            return HostVerdict("busy", allowed=False, addresses=(), judged_here=True)
        judged = self._guard.judge_resolved(host, port, addresses)
        return HostVerdict(str(judged.verdict), judged.ok, tuple(map(str, addresses)), judged_here=True)


def _permission(check: Callable[[], object]) -> Permission:
    try:
        check()
    except ThumbnailError as err:
        return Permission(err.code, err.detail)
    return Permission()
