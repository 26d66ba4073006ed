"""Originals: the captured page of each capture key. Callers that want a page at the same time share one capture.

The first caller pays. A new capture is checked before it replaces anything.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from capture import Admission, Politeness, ScreenshotAPI
from coordination import Coalescer, Flight, Work
from errors import (
    BlockedTarget,
    CaptureError,
    CaptureFailed,
    ErrorStatus,
    InvalidOption,
    NoOgImage,
    OverCapacity,
    PageOptedOut,
    RateLimited,
    TakenDown,
    ThumbnailError,
)
from model import Picture, ThumbnailRequest
from netguard import Guard, Verdict
from options import SCREENSHOT, Target
from telemetry import metrics, traces
from thumbnails.ask import Ask
from thumbnails.cache import PictureCache
from thumbnails.failures import FailureHistory
from thumbnails.freshness import CLOCK_SKEW, ERROR_PAGE_SECONDS, SUSPECT_SECONDS
from thumbnails.known import Known, OriginalInfo, RememberedFailure
from thumbnails.previews import Previews
from thumbnails.shares import Turns
from urls import NOT_PUBLIC, locate

FAILURE_SECONDS = 30  # how long a page's failure is remembered
LONGEST_FAILURE = 3600
OPTED_OUT_SECONDS = 6 * 3600
LARGE_SECONDS = 30
PATIENT_DELAY = 4000  # milliseconds, for the second look at a page whose picture was suspect


@dataclass(frozen=True, slots=True)
class OriginalLimits:
    """Limits of captures (seconds, number at a time in this process, number that waits) and of what is kept."""

    timeout: float = 60
    concurrency: int = 16
    queue: int = 64
    keep_seconds: int = 86400
    keep_bytes: int = 4 * 2**20
    info_seconds: int = 3283200  # the longest time for which a picture made from a good capture may be shown


@dataclass(frozen=True, slots=True)
class Captured:
    """An original, and how long its capture took; `ms` is None if another process captured it."""

    original: Picture
    ms: int | None = None


class Originals:
    def __init__(  # noqa: PLR0913 - each is another part of a capture
        self,
        cache: PictureCache,
        api: ScreenshotAPI,
        coalescer: Coalescer,
        guard: Guard | None,
        limits: OriginalLimits,
        previews: Previews,
        *,
        politeness: Politeness,
        failures: FailureHistory,
        require_shown: Callable[[Target], object] = lambda _: None,
    ) -> None:
        """`guard` judges a host before it is captured; None leaves that to the screenshot API.

        `politeness` limits how often one host is captured. `failures` are noted for operators. `require_shown` raises TakenDown for a page that is shown to nobody.
        """
        self._previews = previews
        self._cache = cache
        self._api = api
        self._coalescer = coalescer
        self._guard = guard
        self._require_shown = require_shown
        self._limits = limits
        self._politeness = politeness
        self._failures = failures
        self._turns = Turns(limits.concurrency, limits.queue, 2 * limits.timeout)

    def join(self, ask: Ask, known: Known) -> Flight[Captured]:
        """Join the capture of the page, or start it.

        A capture that starts keeps its place in the order of asking, also if all its callers stop waiting.

        Raises at once: InvalidOption, RateLimited, OverCapacity, or a remembered failure of this page. The flight ends with
        Captured, BlockedTarget, RateLimited, OverCapacity or a CaptureError.
        """
        request, fresh = ask.request, ask.request.delivery.fresh
        self._api.require_expressible(request.capture.as_screenshot)
        if known.failure and not fresh:
            raise known.failure.error
        self.require_room(request, ask.charge.client)
        # A caller with `fresh=1` accepts only a capture newer than the known one. Others accept one that was just made.
        newest = known.original.captured_at if fresh and known.original and not known.original.suspect else None
        since = newest or datetime.now(UTC) - CLOCK_SKEW
        failed_since = time.time() if fresh else 0

        def lead() -> Captured:
            info, failure = self._cache.page(request)
            info = info or known.original  # the cache may be unreachable
            if info is None and not known.original_gone:  # or it was emptied
                info = self._cache.info_of_original(request)
            if not fresh and (captured := self._captured_meanwhile(request, info, failure, since)):
                return captured
            if request.capture.image != SCREENSHOT:
                return self._show_preview(ask, known)
            return self._capture(ask, known, info)

        def follow() -> Captured | None:
            original, failure = self._cache.original_or_failure(request)
            if original is not None and original.captured_at > since:
                return Captured(original)
            if failure is not None and failure.at >= failed_since:
                raise failure.error
            return None

        work = Work(lead, follow, before_waiting=lambda: self._cache.want_original(request))
        return self._coalescer.join(request.capture_key.digest, work, self._limits.timeout + 5)

    @property
    def reads_pages(self) -> bool:
        """Whether captures tell what pages say of themselves."""
        return self._api.reads_pages

    def find(self, request: ThumbnailRequest) -> tuple[Known, Picture | None]:
        """Return what is known of the page, and its original. One from before pages were read is not there."""
        info, failure = self._cache.page(request)
        original = self._cache.original(request)
        if original is not None and not self._api.has_read(original):
            original = None
        return Known(None, info, failure).with_original(original), original

    def _show_preview(self, ask: Ask, known: Known) -> Captured:
        """Do the leader's work for a request that a picture of the page's own may answer."""
        request = ask.request
        shot = self._screenshot(replace(ask, request=replace(request, capture=request.capture.as_screenshot)))
        try:
            original = self._previews.choose(request.capture, shot.original, ask.charge.rendition)
        except NoOgImage as err:
            self._cache.put_failure(request, err, FAILURE_SECONDS if err.retryable else LONGEST_FAILURE)
            self._failures.note(request.capture_key, err, ask.request_id)
            raise
        if known.original is not None and not known.original_gone and original is not shot.original:
            original = self._unless_unchanged(request, original)
        self._keep(request, original)
        return Captured(original, shot.ms)

    def _screenshot(self, ask: Ask) -> Captured:
        """Return the screenshot of the page, if need be after a capture, for which this caller or another one pays."""
        known, original = self.find(ask.request)
        is_fresh = original is not None and self._previews.freshness.is_fresh(original, ask.request)
        if original is not None and is_fresh and not ask.request.delivery.fresh and not known.supersedes(original):
            return Captured(original)
        while True:
            flight = self.join(ask, known)
            try:
                return flight.future.result(self._limits.timeout + 5)
            except RateLimited:
                if flight.leading:
                    raise
                # The other caller's budget is used up, not this one's.

    def require_room(self, request: ThumbnailRequest, client: str) -> None:
        """Raise the error that a capture for `client` would certainly end with, if any.

        A refusal must cost next to nothing. The order of the checks matters: a capture is in the cache before it stops
        being in progress.
        """
        try:
            self._turns.require_room(client)
        except (OverCapacity, RateLimited) as err:
            refusal = err
        else:
            return
        if self._coalescer.is_in_progress(request.capture_key.digest) or self._cache.knows(request):
            return
        self._api.require_expressible(request.capture.as_screenshot)
        self._api.require_available(request.capture.as_screenshot)
        raise refusal

    def _captured_meanwhile(
        self, request: ThumbnailRequest, info: OriginalInfo | None, failure: RememberedFailure | None, since: datetime
    ) -> Captured | None:
        """Return the picture that another leader captured between this caller's look-up and its lease.

        A page is thus never paid for twice.
        """
        if info is not None and info.captured_at > since:
            original = self._cache.original(request, reload=True)
            if original is not None and original.captured_at >= info.captured_at:  # another machine may have it
                return Captured(original)
        if failure is not None:
            raise failure.error
        return None

    def _capture(self, ask: Ask, known: Known, info: OriginalInfo | None) -> Captured:
        """Do the leader's work: judge the host, wait for a turn, charge, capture, compare, keep."""
        request = ask.request
        self._api.require_available(request.capture, reload=False)  # `admit` asks Redis, after the look-up of the name
        self._turns.require_room(ask.charge.client)  # without room, no name is looked up
        self._judge(request.target)
        client, background = ask.charge.client, request.delivery.background
        with self._politeness.visit(request.target.host, client, background=background), self._turns.hold(client):
            began = time.monotonic()
            admission = self._api.admit(request.capture)
            try:
                ask.charge()
            except RateLimited:
                admission.cancel()
                raise
            try:
                original = self._capture_twice_if_suspect(ask, admission, good=_has_good(known, info))
                if original.page is not None and original.page.url and not request.target.is_document:
                    # where redirects have led
                    self._require_shown(locate(original.page.url))
            except (CaptureError, BlockedTarget, TakenDown, InvalidOption) as err:
                self._remember_failure(ask, err, shown=bool(info or known.original or known.rendition))
                raise
        ms = round((time.monotonic() - began) * 1000)
        if known.original is not None and not known.original_gone:
            original = self._unless_unchanged(request, original)
        self._keep(request, original)
        return Captured(original, ms)

    def _remember_failure(self, ask: Ask, err: ThumbnailError, *, shown: bool) -> None:
        """Remember a failure of the page. One that has opted out is asked again after hours, and not `shown` any more.

        Nor is one that leads to a page which is shown to nobody. What a page answers to one caller's headers and cookies says nothing about pictures for all.
        """
        request = ask.request
        seconds = min(max(err.retry_after or 0, FAILURE_SECONDS), LONGEST_FAILURE)
        if isinstance(err, PageOptedOut):
            seconds = OPTED_OUT_SECONDS
        if isinstance(err, (PageOptedOut, TakenDown)) and shown and not request.private:
            self._cache.withdraw(request.target)
        self._cache.put_failure(request, err, seconds)
        self._failures.note(request.capture_key, err, ask.request_id)

    def _judge(self, target: Target) -> None:
        if target.is_document:  # the engine judges what it requests
            return
        self._require_shown(target)
        if self._guard is None:
            return
        with traces.span("judge", host=target.netloc):
            verdict = self._guard.judge(target.host, target.port).verdict
            traces.note(verdict=verdict)
        metrics.GUARD_VERDICTS.add(verdict)
        if verdict is Verdict.BUSY:
            raise OverCapacity("too many names are being looked up; try again in a few seconds")
        if not verdict.ok:
            raise BlockedTarget(NOT_PUBLIC, verdict=verdict)

    def _capture_twice_if_suspect(self, ask: Ask, admission: Admission, *, good: bool) -> Picture:
        """Capture; a suspect picture is captured once more, with more patience.

        Neither a suspect picture nor that of an error page replaces a good one.
        """
        options, background = ask.request.capture, ask.request.delivery.background
        deadline = time.monotonic() + self._limits.timeout
        client = ask.charge.client
        picture = self._api.capture(admission, options, deadline, ask.request_id, client=client, background=background)
        if picture.suspect and time.monotonic() < deadline - 1:
            # A suspect picture beats none, so a failed retry is ignored. Being refused the retry says nothing about the
            # page: if a good picture is known, RateLimited is raised.
            with suppress(CaptureError, *(() if good else (RateLimited,))):
                patient = replace(options, delay=max(options.delay, PATIENT_DELAY))
                picture = self._api.capture_again(
                    picture, patient, deadline, ask.request_id, client=client, background=background
                )
                may_be_plain = options.clip or options.selector or options.target.is_document
                if may_be_plain and not picture.notes.unfinished:
                    # A part, or a document, may well be of one colour, as two looks agree.
                    picture = replace(picture, suspect=False)
        if picture.suspect and good:
            raise CaptureFailed(
                "the captured picture is blank, unfinished or of another size than requested; try again later"
            )
        if picture.notes.shows_error and good:
            status = picture.notes.page_status
            raise ErrorStatus(f"the page answered {status}; it has been captured without an error", page_status=status)
        return picture

    def _unless_unchanged(self, request: ThumbnailRequest, new: Picture) -> Picture:
        """Keep the known bytes if `new` shows no visible difference: ETags stay the same, and browsers get 304s."""
        if request.delivery.fresh or new.suspect:
            return new
        known = self._cache.original(request)
        if known is None or known.suspect or not self._api.is_unchanged(request.capture, known, new):
            return new
        return replace(known, captured_at=new.captured_at, notes=new.notes, page=new.page)

    def _keep(self, request: ThumbnailRequest, original: Picture) -> None:
        """Keep the original. A large one is kept only for the callers that wait for it now."""
        keep, keep_info = self._limits.keep_seconds, self._limits.info_seconds
        large = len(original.body) > self._limits.keep_bytes
        if large:
            keep = min(keep, LARGE_SECONDS)
        if original.suspect:
            keep, keep_info = min(keep, SUSPECT_SECONDS), SUSPECT_SECONDS
        elif original.notes.shows_error:
            keep, keep_info = min(keep, ERROR_PAGE_SECONDS), ERROR_PAGE_SECONDS
        self._cache.put_original(request, original, keep, keep_info, brief=large)


def _has_good(known: Known, info: OriginalInfo | None) -> bool:
    """Return whether a good picture of the page is known. Redis may have kept nothing of it but a rendition."""
    shown = OriginalInfo.of(known.rendition) if info is None and known.rendition else info
    return shown is not None and shown.good
