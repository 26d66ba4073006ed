"""Captures the sites that are due, through the same flow as `/thumb`, so that both share captures."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from errors import (
    CaptureTimeout,
    DatabaseUnavailable,
    OverCapacity,
    QueueUnavailable,
    StorageFull,
    StorageUnavailable,
    TargetBusy,
    ThumbnailError,
)
from jobs import is_transient, was_not_attempted
from model import Picture, ThumbnailRequest
from options import Delivery, Target
from sites.claims import Claim, Claims
from sites.pace import Pace
from sites.recorder import Recorded, Recorder
from sites.values import Site
from telemetry import metrics
from thumbnails import Ask, NoCharge, Thumbnailer
from validation import Validator

ROUND_SECONDS = 5  # between two looks at what is due
CLIENT = "sites"  # its captures take turns with those of visitors
_REMEMBERED_SECONDS = 30  # a page's failure is forgotten if it is older: this capture is its retry
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Capturer:
    claims: Claims
    recorder: Recorder
    thumbnailer: Thumbnailer
    validator: Validator
    require_target: Callable[[Target], object]
    pace: Pace

    def choose(self) -> list[Claim]:
        """Claim sites that are due, as many as may be captured now. Raises DatabaseUnavailable or QueueUnavailable.

        The claims expire soon, unless `keep` is called once their messages are sent.
        """
        reserved = self.pace.reserve()
        claims: list[Claim] = []
        try:
            claims = self.claims.claim_due(reserved)
            self.pace.add(claims)
        finally:
            self.pace.give_back(reserved - len(claims))
        return claims

    def keep(self, claims: Sequence[Claim]) -> None:
        """Keep claims whose messages are in the queue. Raises DatabaseUnavailable or QueueUnavailable."""
        self.claims.keep(claims)
        self.pace.keep(claims)

    def capture(self, claim: Claim, request_id: str = "") -> Recorded | None:
        """Capture a claimed site, and record the outcome; None if there is none, say because the claim was lost.

        Raises DatabaseUnavailable or QueueUnavailable. The claim then expires, and the site is due again.
        """
        begun = self.claims.begin(claim)
        if begun is None:
            return None
        site, running = begun
        try:
            picture, captured = self._picture_of(site, running, request_id)
            if not captured:
                self.pace.give_back()
            metrics.SITE_CAPTURES.add("captured")
            return self.recorder.record(running, site, picture)
        except TimeoutError:
            return self._give_up(site, running, CaptureTimeout("the page was not captured in time; try again later"))
        except ThumbnailError as err:
            return self._give_up(site, running, err)

    def _picture_of(self, site: Site, claim: Claim, request_id: str) -> tuple[Picture, bool]:
        """Return a picture of the site's page, and whether it was captured for it now."""
        request = self._request_for(site)
        self.require_target(request.target)
        self.thumbnailer.forget_failure(request, time.time() - _REMEMBERED_SECONDS)
        return self.thumbnailer.capture_since(Ask(request, NoCharge(CLIENT), request_id), claim.since)

    def _request_for(self, site: Site) -> ThumbnailRequest:
        """Read the options of the site as `/thumb` would. Raises what it raises: the rules may have changed since."""
        wanted = self.validator.parse_json({"url": site.url, **site.options}).capture
        return ThumbnailRequest(wanted, delivery=Delivery(background=True))

    def _give_up(self, site: Site, claim: Claim, err: ThumbnailError) -> Recorded | None:
        """Record a failure of the page. A refusal by another part of the service says nothing about the page."""
        if isinstance(err, DatabaseUnavailable | QueueUnavailable):
            raise err
        unattempted = was_not_attempted(err) or isinstance(err, OverCapacity)
        if unattempted or isinstance(err, StorageUnavailable | StorageFull):
            seconds = err.retry_after or 1
            self.claims.release(claim, seconds)
            if not isinstance(err, TargetBusy):  # which is about one host
                self.pace.pause(seconds)
            self.pace.give_back(int(unattempted))
            metrics.SITE_CAPTURES.add("postponed")
            _log.info("site_postponed", site_id=site.id, reason=err.code, seconds=seconds)
            return None
        metrics.SITE_CAPTURES.add("failed")
        return self.recorder.record_failure(claim, site, err, transient=is_transient(err))
