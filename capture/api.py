"""The screenshot API as the flow sees it: one capture, behind the breaker and the quota, checked before it is used."""

import time
from datetime import UTC, datetime

import structlog

import images
from capture.breaker import CircuitBreaker
from capture.client import CaptureClient
from capture.pseudonyms import Pseudonyms
from capture.quota import Quota
from errors import CaptureFailed, RateLimited, ThumbnailError
from images import CpuPool
from model import Picture
from options import CaptureOptions
from telemetry import metrics

_log = structlog.get_logger()


class ScreenshotAPI:
    def __init__(
        self, client: CaptureClient, breaker: CircuitBreaker, cpu: CpuPool, quota: Quota, pseudonyms: Pseudonyms
    ) -> None:
        """`quota` counts each call to the API, retries included, and may refuse one in the background."""
        self._client = client
        self._breaker = breaker
        self._cpu = cpu
        self._quota = quota
        self._pseudonyms = pseudonyms

    def require_expressible(self, options: CaptureOptions) -> None:
        """Raise InvalidOption if the API cannot express the options. No I/O, so that it can precede any charge."""
        self._client.require_expressible(options)

    def require_available(self, *, reload: bool = True) -> None:
        """Raise UpstreamUnavailable or UpstreamQuota if the API is down. `reload` reads that from Redis again."""
        self._breaker.require_closed(reload=reload)

    @property
    def reads_pages(self) -> bool:
        """Whether the API says what pages say of themselves."""
        return self._client.reads_pages

    def admit(self) -> None:
        """Pass the breaker. Raises UpstreamUnavailable or UpstreamQuota.

        An admitted caller captures, or cancels.
        """
        self._breaker.admit()

    def cancel(self) -> None:
        """Take back an admission: the caller does not capture after all."""
        self._breaker.cancel()

    def capture(
        self, options: CaptureOptions, deadline: float, request_id: str, *, client: str = "", background: bool = False
    ) -> Picture:
        """Take a picture by `deadline` (monotonic). The picture is `suspect` if it is blank, unfinished or of another size.

        If the API knows priorities, a capture in the `background` yields to all others. Our own engine lets clients take
        turns; it learns a pseudonym of `client`.
        Raises InvalidOption, BlockedTarget, a CaptureError, or, in the `background` alone, RateLimited.
        """
        count = self._quota.take_bulk_call if background else self._quota.count_call
        began, name = time.monotonic(), self._client.name
        timeout = max(deadline - began, 0.1)
        try:
            shot = self._client.capture(
                options,
                timeout=timeout,
                request_id=request_id,
                client=self._pseudonyms.of(client) if self._client.is_ours else "",
                background=background,
                count=count,
            )
            identity = self._cpu.run(lambda: images.identify(shot.body), pixels=images.pixels_of(shot.body))
            doubt = images.doubt(identity, options) or ("unfinished" if shot.notes.unfinished else "")
        except RateLimited:
            self._breaker.cancel()
            raise
        except ThumbnailError as err:
            self._breaker.record(err)
            metrics.CAPTURES.add(name, err.code)
            raise
        except images.NotAPicture as err:
            _log.warning("capture_undecodable", reason=str(err), request_id=request_id)
            # Our engine has checked that the picture is whole: what is wrong with it, the page has caused.
            upstream = not self._client.is_ours
            failure = CaptureFailed("the screenshot API sent no usable picture; try again later", upstream=upstream)
            self._breaker.record(failure)
            metrics.CAPTURES.add(name, failure.code)
            raise failure from err
        finally:
            metrics.CAPTURE_SECONDS.observe(time.monotonic() - began, name, request_id=request_id)
        self._breaker.record(None)
        metrics.CAPTURES.add(name, "suspect" if doubt else "ok")
        if doubt:
            _log.warning("capture_suspect", reason=doubt, request_id=request_id)
        return Picture(
            shot.body,
            identity.content_type,
            identity.width,
            identity.height,
            datetime.now(UTC),
            suspect=bool(doubt),
            notes=shot.notes,
            page=shot.page,
            pixels=identity.pixels,
        )

    def is_unchanged(self, options: CaptureOptions, known: Picture, new: Picture) -> bool:
        """Return whether two captures show no visible difference."""
        hairline = max(round(options.scale), 1)
        try:
            # Both are decoded, and converted to RGB.
            pixels = 2 * (known.width * known.height + new.width * new.height)
            packed = known.pixels, new.pixels
            difference = self._cpu.run(
                lambda: images.difference(known.body, new.body, hairline, pixels=packed), pixels=pixels
            )
        except images.NotAPicture:
            return False
        return difference <= images.INVISIBLE
