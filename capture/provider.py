"""One screenshot API as a provider of pictures: its client, breaker, quota and price. Each picture is checked."""

import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Protocol

import structlog

import images
from capture.breaker import BreakerState, CircuitBreaker
from capture.call import CaptureCall
from capture.client import AddressState
from capture.costs import Costs
from capture.quota import Quota
from capture.responses import Screenshot
from errors import (
    CaptureError,
    CaptureFailed,
    CostLimited,
    Fault,
    InvalidOption,
    OverCapacity,
    OversizedPage,
    RateLimited,
    ThumbnailError,
    UpstreamQuota,
    UpstreamUnavailable,
)
from images import CpuPool
from model import Picture
from options import CaptureOptions
from telemetry import metrics, traces

_log = structlog.get_logger()


class ScreenshotClient(Protocol):
    """A client of one address (`CaptureClient`), or of several engines (`Engines`)."""

    @property
    def name(self) -> str: ...

    @property
    def is_ours(self) -> bool: ...

    @property
    def reads_pages(self) -> bool: ...

    def require_expressible(self, options: CaptureOptions) -> None: ...

    def capture(self, options: CaptureOptions, *, timeout: float, call: CaptureCall) -> Screenshot: ...

    def describe(self) -> tuple[AddressState, ...]: ...

    def ping(self) -> bool: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class ApiState:
    """What an operator may know of a screenshot API. `refusal` says why it cannot express the options, "" if it can.

    `price` is that of a call; `affordable` says whether today's limit of costs allows one.
    """

    name: str
    breaker: BreakerState
    price: Decimal
    affordable: bool
    refusal: str
    addresses: tuple[AddressState, ...]

    @property
    def takes(self) -> bool:
        """Whether a capture would be taken now."""
        return not self.refusal and self.affordable and self.breaker.state != "open"


class Provider:
    def __init__(
        self, client: ScreenshotClient, breaker: CircuitBreaker, quota: Quota, costs: Costs, cpu: CpuPool
    ) -> None:
        """`quota` counts each call, retries included, and may refuse one in the background; `costs` may refuse any."""
        self._client = client
        self._breaker = breaker
        self._quota = quota
        self._costs = costs
        self._cpu = cpu

    @property
    def name(self) -> str:
        return self._client.name

    @property
    def reads_pages(self) -> bool:
        """Whether the API says what pages say of themselves."""
        return self._client.reads_pages

    def require_expressible(self, options: CaptureOptions) -> None:
        """Raise InvalidOption if the API cannot express the options. No I/O, so that it can precede any charge."""
        self._client.require_expressible(options)

    @property
    def is_open(self) -> bool:
        """Whether the breaker keeps callers from the API, by what all processes share."""
        return self._breaker.is_open()

    def require_available(self, *, reload: bool = True) -> None:
        """Raise UpstreamUnavailable or UpstreamQuota if the API is down or too dear. `reload` reads that from Redis again."""
        self._breaker.require_closed(reload=reload)
        if reload:
            self._costs.require_affordable(self.name)

    @property
    def is_available(self) -> bool:
        """Whether the API may be asked, as far as this process knows, and can be paid."""
        try:
            self.require_available(reload=False)
            self._costs.require_affordable(self.name)
        except (UpstreamUnavailable, UpstreamQuota):
            return False
        return True

    def describe(self, options: CaptureOptions) -> ApiState:
        """Tell operators whether the API would take a capture with `options`. Asks nothing of it, and counts nothing."""
        refusal = ""
        try:
            self.require_expressible(options)
        except InvalidOption as err:
            refusal = err.detail
        price, affordable = self._costs.price(self.name), self._costs.can_afford(self.name)
        return ApiState(self.name, self._breaker.describe(), price, affordable, refusal, self._client.describe())

    def admit(self) -> None:
        """Pass the breaker. Raises UpstreamUnavailable or UpstreamQuota. An admitted caller captures, or cancels."""
        self._costs.require_affordable(self.name)
        self._breaker.admit()

    def cancel(self) -> None:
        """Take back an admission: the caller does not capture after all."""
        self._breaker.cancel()

    def capture(self, options: CaptureOptions, deadline: float, call: CaptureCall) -> Picture:
        """Take a picture by `deadline` (monotonic). The picture is `suspect` if it is blank, unfinished or of another size.

        Raises InvalidOption, BlockedTarget, OverCapacity, a CaptureError, or, in the background alone, RateLimited.
        """
        began, fault = time.monotonic(), Fault.NOBODY
        try:
            with traces.span("capture", api=self.name, host=options.target.netloc, background=call.background):
                shot = self._client.capture(
                    options,
                    timeout=max(deadline - began, 0.1),
                    call=replace(call, count=lambda: self._count(background=call.background)),
                )
                identity = self._cpu.run(lambda: images.identify(shot.body), pixels=images.pixels_decoding(shot.body))
                doubt = images.doubt(identity, options) or ("unfinished" if shot.notes.unfinished else "")
                traces.note(doubt=doubt)
        except (RateLimited, CostLimited) as err:
            fault = err.fault
            self._breaker.cancel()
            raise
        except ThumbnailError as err:
            fault = err.fault
            self._breaker.record(err)
            metrics.CAPTURES.add(self.name, err.code)
            raise err.with_evidence(api=self.name) from None
        except images.NotAPicture as err:
            _log.warning("capture_undecodable", reason=str(err), request_id=call.request_id)
            # Our engine has checked that the picture is whole: what is wrong with it, the page has caused.
            upstream = not self._client.is_ours
            failure: CaptureFailed = CaptureFailed(
                "the screenshot API sent no usable picture; try again later", upstream=upstream
            )
            if isinstance(err, images.TooManyPixels):
                failure = OversizedPage(f"the picture of the page has more than {err.most} pixels", upstream=False)
            fault = failure.fault
            self._breaker.record(failure)
            metrics.CAPTURES.add(self.name, failure.code)
            raise failure.with_evidence(api=self.name) from err
        finally:
            seconds = time.monotonic() - began
            metrics.CAPTURE_SECONDS.observe(seconds, self.name, fault, request_id=call.request_id)
        self._breaker.record(None)
        metrics.CAPTURES.add(self.name, "suspect" if doubt else "ok")
        if doubt:
            _log.warning("capture_suspect", reason=doubt, request_id=call.request_id)
        return Picture(
            shot.body,
            identity.content_type,
            identity.width,
            identity.height,
            datetime.now(UTC),
            suspect=bool(doubt),
            notes=shot.notes,
            page=shot.page,
            captured_by=self.name,
            pixels=identity.pixels,
        )

    def ping(self) -> bool:
        """Return whether the API responds."""
        return self._client.ping()

    def close(self) -> None:
        self._client.close()

    def _count(self, *, background: bool) -> None:
        """Count a call and its price. Raises RateLimited in the `background`, and CostLimited."""
        self._costs.require_affordable(self.name)
        if background:
            self._quota.take_bulk_call()
        else:
            self._quota.count_call()
        self._costs.pay(self.name)


def is_of_api(err: ThumbnailError) -> bool:
    """Return whether another API may take the capture: this one has failed, has refused it, or is full.

    What the page has brought about is final, and so is a limit of bulk work, which can wait.
    """
    if isinstance(err, OverCapacity | UpstreamUnavailable | UpstreamQuota):
        return True
    return isinstance(err, CaptureError) and err.upstream
