"""The screenshot APIs as the flow sees them: one capture, by the first of them that can take it.

The order is the operator's. The next API takes a capture if the one before is down, full or used up, cannot express
the options, or fails by itself. A page's own failure is final, so that no page is captured twice for it.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import structlog

import images
from capture.call import CaptureCall
from capture.provider import ApiState, Provider, is_of_api
from capture.pseudonyms import Pseudonyms
from errors import InvalidOption, ThumbnailError, UpstreamQuota, UpstreamUnavailable
from images import CpuPool
from model import Picture
from options import CaptureOptions
from telemetry import metrics

Note = Callable[[str, float, ThumbnailError | None], None]  # the URL, how long it took in seconds, and why it failed

# An API that does not answer leaves this part of the time to those after it.
_LEFT_TO_OTHERS = 1 / 3
_LEAST_SECONDS = 1.0  # with less time left, a picture would be paid for and then cut off
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Admission:
    """The right to capture: by the first of `providers`, whose breaker was passed, or by those after it.

    `passed_over` stand before them in the operator's order, and are down or too dear.
    """

    providers: tuple[Provider, ...]
    passed_over: tuple[Provider, ...] = ()

    def cancel(self) -> None:
        """Take it back: the caller does not capture after all."""
        self.providers[0].cancel()


class ScreenshotAPI:
    def __init__(
        self, providers: Sequence[Provider], cpu: CpuPool, pseudonyms: Pseudonyms, note: Note = lambda *_: None
    ) -> None:
        """`providers` are in order of preference. `note` is told of each capture, for the operator."""
        self._note = note
        self._providers = tuple(providers)
        self._cpu = cpu
        self._pseudonyms = pseudonyms

    def require_expressible(self, options: CaptureOptions) -> None:
        """Raise InvalidOption if no API can express the options. No I/O, so that it can precede any charge."""
        self._able(options)

    def require_available(self, options: CaptureOptions, *, reload: bool = True) -> None:
        """Raise UpstreamUnavailable or UpstreamQuota if no API that can express the options may be asked now.

        `reload` reads that from Redis again.
        """
        _first(self._able(options), lambda provider: provider.require_available(reload=reload))

    @property
    def reads_pages(self) -> bool:
        """Whether one of the APIs says what pages say of themselves."""
        return any(each.reads_pages for each in self._providers)

    def has_read(self, picture: Picture) -> bool:
        """Return whether another capture would say no more of the page, as its API says nothing or has been asked."""
        silent = [each.name for each in self._providers if not each.reads_pages]
        return picture.page is not None or picture.captured_by in silent or not self.reads_pages

    def admit(self, options: CaptureOptions) -> Admission:
        """Pass the breaker of an API that can express the options. Raises UpstreamUnavailable or UpstreamQuota.

        An admitted caller captures, or cancels.
        """
        able = self._able(options)
        place = _first(able, Provider.admit)
        others = (each for each in able[place + 1 :] if each.is_available)
        return Admission((able[place], *others), tuple(able[:place]))

    def capture(
        self,
        admission: Admission,
        options: CaptureOptions,
        deadline: float,
        request_id: str,
        *,
        client: str = "",
        background: bool = False,
    ) -> Picture:
        """Take a picture by `deadline` (monotonic). The picture is `suspect` if it is blank, unfinished or of another size.

        If the API knows priorities, a capture in the `background` yields to all others. Our own engine lets clients take
        turns; it learns a pseudonym of `client`.
        Raises InvalidOption, BlockedTarget, OverCapacity, a CaptureError, or, in the `background` alone, RateLimited.
        """
        call = CaptureCall(request_id, self._pseudonyms.of(client), background)
        began, failure = time.monotonic(), None
        try:
            return self._capture(admission, options, deadline, call)
        except ThumbnailError as err:
            failure = err
            raise
        finally:
            self._note(options.url, time.monotonic() - began, failure)

    def _capture(self, admission: Admission, options: CaptureOptions, deadline: float, call: CaptureCall) -> Picture:
        first, *others = admission.providers
        for provider in admission.passed_over:
            metrics.HANDED_OVER.add(provider.name)
        failures: list[ThumbnailError] = []
        for provider in (first, *others):
            left = deadline - time.monotonic()
            if failures and left < _LEAST_SECONDS:
                break
            is_last = provider is admission.providers[-1]
            try:
                if provider is not first:
                    provider.admit()
                until = deadline if is_last else deadline - left * _LEFT_TO_OTHERS
                return provider.capture(options, until, replace(call, hands_over=not is_last))
            except ThumbnailError as err:
                if not is_of_api(err):
                    raise
                failures.append(err)
                if not is_last:
                    metrics.HANDED_OVER.add(provider.name)
                    _log.warning("capture_handed_over", api=provider.name, reason=err.code, request_id=call.request_id)
        raise _soonest(failures)

    def capture_again(
        self,
        picture: Picture,
        options: CaptureOptions,
        deadline: float,
        request_id: str,
        *,
        client: str = "",
        background: bool = False,
    ) -> Picture:
        """Take a second look at a page, by the API that has taken its `picture`. Raises as `capture`."""
        provider = next(each for each in self._providers if each.name == picture.captured_by)
        call = CaptureCall(request_id, self._pseudonyms.of(client), background)
        return provider.capture(options, deadline, call)

    def is_unchanged(self, options: CaptureOptions, known: Picture, new: Picture) -> bool:
        """Return whether two captures show no visible difference."""
        hairline = max(round(options.scale), 1)
        try:
            pixels = images.pixels_compared(known.body, new.body)
            packed = known.pixels, new.pixels
            difference = self._cpu.run(
                lambda: images.difference(known.body, new.body, hairline, pixels=packed), pixels=pixels
            )
        except images.NotAPicture:
            return False
        return difference <= images.INVISIBLE

    def describe(self, options: CaptureOptions) -> tuple[ApiState, ...]:
        """Tell operators of each API whether it would take a capture with `options`, in order of preference."""
        return tuple(each.describe(options) for each in self._providers)

    def open_breakers(self) -> dict[str, bool]:
        """Return of each API, by its name, whether it is not called, since it is down."""
        return {each.name: each.is_open for each in self._providers}

    def ping(self) -> bool:
        """Return whether one of the APIs responds."""
        return any(each.ping() for each in self._providers)

    def pings(self) -> dict[str, bool]:
        """Return of each API, by its name, whether it responds."""
        return {each.name: each.ping() for each in self._providers}

    def close(self) -> None:
        """Close pooled connections."""
        for each in self._providers:
            each.close()

    def _able(self, options: CaptureOptions) -> list[Provider]:
        """Return the APIs that can express the options. Raises the first one's InvalidOption if there is none."""
        able, refusals = [], []
        for provider in self._providers:
            try:
                provider.require_expressible(options)
            except InvalidOption as err:
                refusals.append(err)
            else:
                able.append(provider)
        if not able:
            raise refusals[0]
        return able


def _first(able: Sequence[Provider], check: Callable[[Provider], None]) -> int:
    """Return the place of the first API that passes `check`. Raises UpstreamUnavailable or UpstreamQuota."""
    refusals = []
    for place, provider in enumerate(able):
        try:
            check(provider)
        except (UpstreamUnavailable, UpstreamQuota) as err:
            refusals.append(err)
        else:
            return place
    raise _soonest(refusals)


def _soonest(failures: Sequence[ThumbnailError]) -> ThumbnailError:
    """Return the failure after which a retry may help first. Of equals, the preferred API's."""
    return min(failures, key=lambda err: (not err.retryable, err.retry_after or 0))
