"""Camera: one capture through the screenshot API, behind its breaker, looked at before anybody else sees it."""

import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Protocol

import structlog

from capture import CaptureClient
from capture.breaker import Breaker
from capture.quota import Throughput
from errors import CaptureFailed, RateLimited, ThumbnailError
from images import render as imaging
from images.cpu import Cores
from model import CaptureOptions, Picture


class Charge(Protocol):
    """Takes one capture off a budget. Raises RateLimited."""

    @property
    def client(self) -> str:
        """Whose budget it is."""

    def __call__(self) -> None: ...


_log = structlog.get_logger()


@dataclass(frozen=True)
class Free:
    """Charges nobody: a job has paid when it was asked for."""

    client: str = ""

    def __call__(self) -> None:
        """Do nothing."""


free = Free()


class Camera:
    def __init__(self, client: CaptureClient, breaker: Breaker, cores: Cores, throughput: Throughput) -> None:
        """`throughput` counts each call to the API, retries included; one in the background needs its leave."""
        self._client = client
        self._breaker = breaker
        self._cores = cores
        self._throughput = throughput

    def check(self, options: CaptureOptions) -> None:
        """Raise InvalidOption if the API cannot express the options. No I/O: ask before anything is charged."""
        self._client.check(options, _format(options))

    def require_open(self) -> None:
        """Raise UpstreamUnavailable or UpstreamQuota while nobody is let through, before anything else is done."""
        self._breaker.require_open()

    def admit(self, charge: Charge) -> None:
        """Pass the breaker, then charge: who is turned away pays nothing.

        Raises UpstreamUnavailable, UpstreamQuota, or what `charge` raises.
        """
        self._breaker.check()
        try:
            charge()
        except RateLimited:
            self._breaker.let_go()
            raise

    def shoot(self, options: CaptureOptions, deadline: float, request_id: str, *, background: bool = False) -> Picture:
        """Take a picture by `deadline` (monotonic); `suspect` if it is blank or of another size.

        Where the API knows turns, one in the `background` gives way to all others.
        Raises InvalidOption, BlockedTarget, a CaptureError, or RateLimited in the `background` alone.
        """
        count = self._throughput.take if background else self._throughput.count
        try:
            timeout = max(deadline - time.monotonic(), 0.1)
            body = self._client.capture(
                options, _format(options), timeout=timeout, request_id=request_id, background=background, count=count
            )
            picture, doubt = self._look_at(body, options)
        except RateLimited:
            self._breaker.let_go()
            raise
        except ThumbnailError as err:
            self._breaker.note(err)
            raise
        except imaging.NotAPicture as err:
            _log.warning("capture_undecodable", reason=str(err), request_id=request_id)
            failure = CaptureFailed("the screenshot API did not send a picture", upstream=True)
            self._breaker.note(failure)
            raise failure from err
        self._breaker.note(None)
        if doubt:
            _log.warning("capture_suspect", reason=doubt, request_id=request_id)
        return picture

    def same(self, options: CaptureOptions, known: Picture, new: Picture) -> bool:
        """Tell whether two captures differ in nothing visible."""
        hairline = max(round(options.scale), 1)
        try:
            difference = self._cores.run(lambda: imaging.difference(known.body, new.body, hairline))
        except imaging.NotAPicture:
            return False
        return difference <= imaging.INVISIBLE

    def _look_at(self, body: bytes, options: CaptureOptions) -> tuple[Picture, str]:
        identity = self._cores.run(lambda: imaging.identify(body))
        doubt = imaging.doubt(identity, options)
        picture = Picture(body, identity.content_type, identity.width, identity.height, datetime.now(UTC))
        return replace(picture, suspect=bool(doubt)), doubt


def _format(options: CaptureOptions) -> str:
    """The master is lossless, so that every rendition is encoded but once."""
    return "pdf" if options.medium == "print" else "png"
