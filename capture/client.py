"""The HTTP client of screenshot APIs: options in, the API's bytes out, under one deadline.

It trusts no answer: not its length, its type, its pace nor its words. Whether the bytes are a picture is imaging's
question. What differs between the APIs is in `dialects`.
"""

import logging
import os
import random
import time
import urllib.parse
from collections.abc import Callable, Mapping
from typing import Any

import requests
import structlog
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.util import Timeout

from capture.dialects import Dialect
from capture.outcomes import BROKEN, DOWN, LATE, LIED, UNTRUSTED, Outcome, Refusal, read_refusal, scrubbed
from errors import RateLimited
from options import CaptureOptions, Target
from outbound import POOLS

TRIES = 3
BACKOFF = 0.5  # seconds; doubled for each further try, all of it jitter
LEAST_TRY = 1.0  # seconds; a try with less left would be paid for and thrown away
CONNECT_TIMEOUT = 5.0
PING_TIMEOUT = 2.0
LONGEST_QUERY = 4096  # what servers and proxies accept for certain
LONGEST_ERROR = 64 * 2**10
CHUNK = 64 * 2**10
BACKGROUND = "u=7"  # RFC 9218, section 4.1: the lowest urgency, for what no user waits for
HEADERS = {"User-Agent": "thumbnail-service", "Accept": "*/*", "Accept-Encoding": "identity"}

log = structlog.get_logger(__name__)
for name in ("urllib3.connection", "urllib3.connectionpool"):
    logging.getLogger(name).setLevel(logging.ERROR)  # below, they print request targets: the captured page's query


def _full_jitter(ceiling: float) -> float:
    return random.uniform(0, ceiling)  # noqa: S311 - it spreads load and hides nothing


class CaptureClient:
    """Takes pictures through one screenshot API. One instance a process, shared by its threads."""

    def __init__(  # noqa: PLR0913 - the last are for tests
        self,
        dialect: Dialect,
        base_url: str,
        api_key: str | None,
        *,
        pool: int = 16,
        max_bytes: int = 25 * 2**20,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[float], float] = _full_jitter,
    ) -> None:
        if dialect.needs_key and not api_key:
            raise ValueError(f"CAPTURE_API_KEY: {dialect.name} needs a key")
        self._dialect = dialect
        self._base_url = base_url.rstrip("/")
        self._api_key = api_key or ""
        self._max_bytes = max_bytes
        self._sleep = sleep
        self._jitter = jitter
        self._pool = pool
        self._connect_afresh()

    def require_expressible(self, options: CaptureOptions) -> None:
        """Raise `InvalidOption` if the API cannot express the options. No I/O: ask before anything is charged."""
        self._dialect.express(options)

    def capture(
        self,
        options: CaptureOptions,
        *,
        timeout: float,
        request_id: str = "",
        background: bool = False,
        count: Callable[[], None] = lambda: None,
    ) -> bytes:
        """Take the picture within `timeout` seconds, retries included; the bytes are unchecked beyond their framing.

        One in the `background` is told to give way to others, where the API knows that word. `count` is told of each
        call to the API before it is made, and may raise `RateLimited`: then there is none, and no retry either.
        Raises `InvalidOption`, `BlockedTarget` (the engine's verdict), a `CaptureError`, or `RateLimited` at once.
        """
        deadline = time.monotonic() + timeout
        request = self._request(self._dialect.express(options), self._headers(request_id, background))
        count()
        refusal = Refusal(LATE)
        for attempt in range(1, TRIES + 1):
            if (left := deadline - time.monotonic()) <= 0:
                break
            answer = self._exchange(request, left)
            if isinstance(answer, bytes):
                return answer
            if answer.outcome is not LATE or attempt == 1:  # a second try that ran out of time says nothing new
                refusal = answer
            self._report(refusal, options.target, attempt, request_id)
            pause = self._pause(refusal, attempt)
            if attempt == TRIES or pause is None or pause + LEAST_TRY > deadline - time.monotonic():
                break
            self._sleep(pause)
            try:
                count()
            except RateLimited:
                break
        # Raised outside any `except`: the exceptions of `requests` carry the URL, and must not travel as a context.
        raise refusal.public()

    def _headers(self, request_id: str, background: bool) -> dict[str, str]:
        headers = {"X-Request-ID": request_id} if request_id else {}
        if background and self._dialect.priority:
            headers["Priority"] = BACKGROUND
        return headers

    def ping(self) -> bool:
        """Say whether the API serves, by a page that costs no capture and needs no key."""
        request = requests.Request("GET", self._base_url + self._dialect.health, headers=HEADERS)
        try:
            with self._send(request, PING_TIMEOUT) as response:
                return response.status_code < 400
        except (requests.RequestException, urllib3.exceptions.HTTPError):
            return False

    def close(self) -> None:
        """Close the pooled connections."""
        self._adapter.close()

    def _request(self, sent: dict[str, object], own: Mapping[str, str]) -> requests.Request:
        headers = {**HEADERS, **own}
        if self._api_key:
            headers[self._dialect.key_header] = self._dialect.key_prefix + self._api_key
        url = self._base_url + self._dialect.path
        query = urllib.parse.urlencode({name: _literal(value) for name, value in sent.items()})
        if self._dialect.method == "POST" or (self._dialect.json_too and len(query) > LONGEST_QUERY):
            return requests.Request("POST", url, headers=headers, json=sent)
        return requests.Request("GET", url, headers=headers, params=query)

    def _exchange(self, request: requests.Request, left: float) -> bytes | Refusal:
        try:
            with self._send(request, left) as response:
                if response.status_code == 200:
                    return self._picture(response)
                return self._refusal(response)
        except UnusableAnswer as err:
            return Refusal(LIED, text=str(err))
        except (requests.RequestException, urllib3.exceptions.HTTPError) as err:
            # By name alone: their text holds the URL, or the key.
            return Refusal(next(outcome for kind, outcome in FAULTS if isinstance(err, kind)), text=type(err).__name__)

    def _send(self, request: requests.Request, left: float) -> requests.Response:
        if os.getpid() != self._pid:
            self._connect_afresh()
        # `total` makes the time for the answer shrink by what connecting took.
        timeout: Any = Timeout(total=left, connect=min(left, CONNECT_TIMEOUT))
        # No `Session`: it unpacks a redirect's whole body even when told not to follow it, keeps the API's cookies,
        # and takes proxies and passwords from the environment.
        return self._adapter.send(request.prepare(), stream=True, timeout=timeout)

    def _connect_afresh(self) -> None:
        """Start an empty connection pool. Two processes on one inherited socket would read each other's pictures."""
        self._pid = os.getpid()
        self._adapter = _Adapter(pool_connections=1, pool_maxsize=self._pool, max_retries=0)

    def _picture(self, response: requests.Response) -> bytes:
        content_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if not content_type.startswith("image/") and content_type != "application/pdf":
            raise UnusableAnswer("not a picture's content type")
        # Not asked for, and a bomb when unpacked.
        if response.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
            raise UnusableAnswer("an encoded body")
        announced = response.headers.get("Content-Length", "")
        if announced.isdecimal() and (len(announced) > 15 or int(announced) > self._max_bytes):
            raise UnusableAnswer("announced as too large")
        body = _read(response, self._max_bytes + 1)
        if not 0 < len(body) <= self._max_bytes:
            raise UnusableAnswer("too large" if body else "an empty body")
        return body

    def _refusal(self, response: requests.Response) -> Refusal:
        try:
            body = _read(response, LONGEST_ERROR)
        except urllib3.exceptions.HTTPError:
            body = b""  # the status says enough
        told, dialect = response.headers.get("Retry-After"), self._dialect
        return read_refusal(dialect.envelope, dialect.outcomes, response.status_code, told, body)

    def _pause(self, refusal: Refusal, attempt: int) -> float | None:
        """Seconds before the next try, `None` for no next try."""
        if not refusal.outcome.retried:
            return None
        return (refusal.retry_after or 0.0) + self._jitter(BACKOFF * 2 ** (attempt - 1))

    def _report(self, refusal: Refusal, target: Target, attempt: int, request_id: str) -> None:
        report = log.error if refusal.outcome.hint else log.warning
        report(
            "capture_refused",
            api=self._dialect.name,
            status=refusal.status,
            code=scrubbed(refusal.code, target, self._api_key),
            reason=scrubbed(refusal.text, target, self._api_key),
            error=refusal.outcome.error.code,
            attempt=attempt,
            request_id=request_id,
            **({"hint": refusal.outcome.hint} if refusal.outcome.hint else {}),
        )


class UnusableAnswer(Exception):
    """A 200 without a usable picture."""


# The first that fits. A connection lost before the answer began counts as one that was not made: the usual cause is a
# pooled connection that the API closed, and the worst that a new try costs is one capture more.
FAULTS: tuple[tuple[type[Exception], Outcome], ...] = (
    (requests.exceptions.SSLError, UNTRUSTED),
    (requests.exceptions.ReadTimeout, LATE),
    (urllib3.exceptions.ReadTimeoutError, LATE),
    (requests.exceptions.ConnectionError, DOWN),
    (urllib3.exceptions.ProtocolError, LIED),
    (Exception, BROKEN),
)


def _read(response: requests.Response, most: int) -> bytes:
    """Read up to `most` bytes as they come; a body shorter than its announced length is a `ProtocolError`."""
    body = bytearray()
    while len(body) < most and (chunk := response.raw.read1(min(CHUNK, most - len(body)), decode_content=False)):
        body += chunk
    return bytes(body)


def _literal(value: object) -> str:
    """Write a value for a query: `true`, not `True`; `2`, not `2.0`."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = POOLS
