"""Fetches a picture that a page names, as webhooks are sent: judged, and from the judged address alone.

The page is a stranger's, so the URL may lead anywhere. Each redirect is judged again. Answers are limited in bytes and
time; whether they are pictures is judged by `images`. No cookie and no referrer is sent. A request says that it is ours,
so that a page which names a picture of this service has nothing captured at the service's own expense.
"""

import ssl
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cached_property
from urllib.parse import urljoin

import structlog
import urllib3
from urllib3.util import Timeout

from errors import BlockedTarget, InvalidURL, OverCapacity, TakenDown
from netguard import Address, Guard
from options import Target
from outbound import LOOP_HEADER, LOOP_NAME, pinned_pool
from telemetry import metrics
from urls import parse_url

CONNECT_SECONDS = 3.0
MAX_ADDRESSES = 2
MAX_REDIRECTS = 3
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_HEADERS = {
    "User-Agent": "thumbnail-service",
    LOOP_HEADER: LOOP_NAME,
    "Accept": "image/avif,image/webp,image/png,image/*;q=0.8,*/*;q=0.1",
    "Accept-Encoding": "identity",
}
_log = structlog.get_logger()

OpenPool = Callable[[Target, Address, Callable[[], ssl.SSLContext]], AbstractContextManager[urllib3.HTTPConnectionPool]]


class NotFetched(Exception):
    """There is no picture at the URL, or none that may be fetched. The text is for the log."""


class PictureFetcher:
    """Fetches pictures. One instance per process."""

    def __init__(
        self,
        guard: Guard,
        tls: ssl.SSLContext | None = None,
        open_pool: OpenPool = pinned_pool,
        require_shown: Callable[[Target], object] = lambda _: None,
    ) -> None:
        """`require_shown` raises TakenDown for a picture that is shown to nobody. `open_pool` makes the connections of one exchange: with the address that was judged, or through an outlet.

        It may raise BlockedTarget, and OverCapacity if the outlet is at fault.
        """
        self._guard = guard
        self._given_tls = tls
        self._open_pool = open_pool
        self._require_shown = require_shown

    def require_shown(self, url: str) -> None:
        """Raise NotFetched if nobody is to see what is at `url`, even where it is known."""
        try:
            target = parse_url(url, self._guard)
        except (InvalidURL, BlockedTarget):  # an icon that is written in the page; or `fetch` says so
            return
        try:
            self._require_shown(target)
        except TakenDown as err:
            raise NotFetched(f"refused: {err.code}") from err

    def fetch(self, url: str, seconds: float, most: int) -> bytes:
        """Return what `url` answers within `seconds`, at most `most` bytes. Raises NotFetched."""
        deadline = time.monotonic() + seconds
        try:
            target = parse_url(url, self._guard)
            for _ in range(MAX_REDIRECTS + 1):
                self._require_shown(target)
                answer = self._exchange(target, deadline, most)
                if isinstance(answer, bytes):
                    return answer
                target = parse_url(_joined(target.url, answer), self._guard)
        except (InvalidURL, BlockedTarget, TakenDown, OverCapacity) as err:
            raise NotFetched(f"refused: {err.code}") from err
        raise NotFetched("too many redirects")

    def _exchange(self, target: Target, deadline: float, most: int) -> bytes | str:
        """Return the body of `target`, or the URL to which it redirects."""
        judgement = self._guard.judge_to_connect(target.host, target.port)
        metrics.GUARD_VERDICTS.add(judgement.verdict)
        if not judgement.ok:
            _log.info("picture_refused", host=target.netloc, verdict=judgement.verdict)
            raise NotFetched(f"refused: {judgement.verdict}")
        error = "no address"
        for address in judgement.addresses[:MAX_ADDRESSES]:
            try:
                return self._get(target, address, deadline, most)
            except urllib3.exceptions.HTTPError as err:
                error = type(err).__name__  # not the text, which holds the URL
                if not isinstance(err, (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError)):
                    break
        raise NotFetched(error)

    def _get(self, target: Target, address: Address, deadline: float, most: int) -> bytes | str:
        left = deadline - time.monotonic()
        if left <= 0:
            raise NotFetched("out of time")
        with self._open_pool(target, address, lambda: self._tls) as pool:
            response = pool.urlopen(
                "GET",
                target.path,
                headers=_HEADERS | {"Host": target.netloc},
                timeout=Timeout(total=left, connect=min(left, CONNECT_SECONDS)),
                retries=False,
                redirect=False,
                preload_content=False,
            )
            try:
                return _read(response, most)
            finally:
                response.close()

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        """The trusted authorities, loaded when the first picture comes by https."""
        return self._given_tls or ssl.create_default_context()


def _joined(url: str, location: str) -> str:
    try:
        return urljoin(url, location)
    except ValueError:  # such as brackets that hold no address
        raise InvalidURL("redirects to an invalid URL") from None


def _read(response: urllib3.BaseHTTPResponse, most: int) -> bytes | str:
    location = response.headers.get("Location")
    if response.status in _REDIRECTS and location:
        return location
    if response.status != 200:
        raise NotFetched(f"status {response.status}")
    if response.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        raise NotFetched("encoded, although that was not asked for")
    body = response.read(most + 1, decode_content=False)
    if len(body) > most:
        raise NotFetched("too large")
    return bytes(body)
