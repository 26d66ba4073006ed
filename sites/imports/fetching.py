"""Fetches a list by the URL that a caller gives, as webhooks are sent: judged, and from the judged address alone.

Where there is an outlet, it judges once more, and connects. Each redirect is judged again. Responses are limited in bytes and time, and never shown.
"""

import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import urljoin

import structlog
import urllib3
from urllib3.util import Timeout

from errors import BlockedTarget, ErrorStatus, InvalidURL, OverCapacity, PageTimeout, SiteUnreachable, TooManyRedirects
from netguard import Address, Guard, Verdict
from options import Target
from outbound import pinned_pool
from sites.imports.candidates import MAX_BYTES, too_large
from sites.imports.outlet import ListOutlet
from telemetry import metrics
from urls import NOT_PUBLIC, parse_url

CONNECT_SECONDS = 5.0
EXCHANGE_SECONDS = 20.0
MAX_ADDRESSES = 2
MAX_REDIRECTS = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_HEADERS = {"User-Agent": "thumbnail-service", "Accept": "*/*", "Accept-Encoding": "gzip"}
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class FetchedList:
    """A response: its body as it came, perhaps compressed, and the charset that its Content-Type names."""

    url: str
    body: bytes
    charset: str


class ListFetcher:
    """Fetches lists. One instance per process."""

    def __init__(
        self,
        guard: Guard,
        tls: ssl.SSLContext | None = None,
        require_target: Callable[[Target], object] = lambda _: None,
        outlet: ListOutlet | None = None,
    ) -> None:
        """`require_target` raises ForbiddenHost for a host that the operator does not allow."""
        self._guard = guard
        self._given_tls = tls
        self._require_target = require_target
        self._outlet = outlet

    def fetch(self, url: str, deadline: float) -> FetchedList:
        """Return what `url` answers until `deadline` (of `time.monotonic`).

        Raises InvalidURL, BlockedTarget, ForbiddenHost, OverCapacity, InvalidOption for a body above MAX_BYTES, or a CaptureFailed or
        CaptureTimeout about the field `url`.
        """
        target = parse_url(url, self._guard)
        for _ in range(MAX_REDIRECTS + 1):
            answer = self._exchange(target, deadline)
            if isinstance(answer, FetchedList):
                return answer
            target = parse_url(_joined(target.url, answer), self._guard)
        raise TooManyRedirects(f"led through more than {MAX_REDIRECTS} redirects", field="url")

    def _exchange(self, target: Target, deadline: float) -> FetchedList | str:
        """Return the response of `target`, or the URL to which it redirects."""
        self._require_target(target)
        judgement = self._guard.judge_to_connect(target.host, target.port)
        metrics.GUARD_VERDICTS.add(judgement.verdict)
        if judgement.verdict is Verdict.BUSY:
            raise OverCapacity("too many names are being looked up; try again in a few seconds")
        if not judgement.ok:
            raise BlockedTarget(NOT_PUBLIC, verdict=judgement.verdict)
        error: urllib3.exceptions.HTTPError | None = None
        # The outlet connects to what it judges itself, so it is asked once.
        for address in judgement.addresses[: 1 if self._outlet else MAX_ADDRESSES]:
            try:
                return self._get(target, address, deadline)
            except urllib3.exceptions.HTTPError as err:
                error = err
                if not isinstance(err, (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError)):
                    break
        # Not the text, which contains the URL: its path or query may hold a secret.
        _log.info("list_not_fetched", host=target.netloc, reason=type(error).__name__)
        refused = isinstance(error, urllib3.exceptions.NewConnectionError)  # which is a TimeoutError of urllib3, too
        if isinstance(error, urllib3.exceptions.TimeoutError) and not refused:
            raise PageTimeout("did not answer in time", field="url")
        raise SiteUnreachable("could not be fetched: the connection failed", field="url")

    def _get(self, target: Target, address: Address, deadline: float) -> FetchedList | str:
        left = deadline - time.monotonic()
        if left <= 0:
            raise PageTimeout("took too long; split the list", field="url")
        with self._pool(target, address) as pool:
            response = pool.urlopen(
                "GET",
                target.path,
                headers=_HEADERS | {"Host": target.netloc},
                timeout=Timeout(total=min(left, EXCHANGE_SECONDS), connect=min(left, CONNECT_SECONDS)),
                retries=False,
                redirect=False,
                preload_content=False,
            )
            try:
                return _read(response, target)
            finally:
                response.close()

    @contextmanager
    def _pool(self, target: Target, address: Address) -> Iterator[urllib3.HTTPConnectionPool]:
        if self._outlet is None:
            with pinned_pool(target, address, lambda: self._tls) as pool:
                yield pool
            return
        with self._outlet.pool(target, lambda: self._tls) as pool:
            yield pool

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        """The trusted authorities, loaded when the first list comes by https."""
        return self._given_tls or ssl.create_default_context()


def _joined(url: str, location: str) -> str:
    try:
        return urljoin(url, location)
    except ValueError:  # such as brackets that hold no address
        raise InvalidURL("redirects to an invalid URL") from None


def _read(response: urllib3.BaseHTTPResponse, target: Target) -> FetchedList | str:
    location = response.headers.get("Location")
    if response.status in _REDIRECTS and location:
        return location
    if response.status != 200:
        raise ErrorStatus(f"answered with status {response.status}", field="url", page_status=response.status)
    body = response.read(MAX_BYTES + 1, decode_content=False)
    if len(body) > MAX_BYTES:
        raise too_large()
    return FetchedList(target.url, body, charset_of(response.headers.get("Content-Type", "")))


def charset_of(content_type: str) -> str:
    """Return the charset parameter of a Content-Type, or an empty text."""
    for parameter in content_type.split(";")[1:]:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            return value.strip().strip("\"'")
    return ""
