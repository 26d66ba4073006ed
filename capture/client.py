"""The HTTP client of screenshot APIs: options in, the API's bytes out, within one deadline.

The differences between the APIs are in `dialects`; `responses` reads what they send.
"""

import json
import logging
import os
import random
import re
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import requests
import structlog
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.util import Timeout

from capture.call import NO_CALLER, CaptureCall
from capture.dialects import Dialect
from capture.outcomes import BLOCKED, LATE, LEADS_AWAY, SLOW, CallFailure, redact
from capture.responses import Screenshot, UnusableResponse, failure_of, read_refusal, read_screenshot
from errors import CostLimited, DocumentGone, RateLimited
from options import (
    EVENT_HEADER,
    LOAD_HEADER,
    MAX_BYTES,
    PRIVATE,
    CaptureOptions,
    Document,
    Target,
    chosen,
    read_event,
)
from outbound import POOLS
from telemetry import metrics, traces

TRIES = 3
BACKOFF = 0.5  # seconds; the longest pause before the first retry, doubled for each further one
LEAST_TRY = 1.0  # seconds; with less time left, a retry would be paid for and then cut off
CONNECT_TIMEOUT = 5.0
PING_TIMEOUT = 2.0
LONGEST_QUERY = 4096  # bytes that all servers and proxies accept
WITHHELD = "[…]"
SLOW_SECONDS = 5.0  # as the alert on slow captures says
LOAD_SECONDS = 5.0  # how long the engine's word about its load is believed
_LOAD = re.compile(r"([0-9]{1,6})/([0-9]{1,6})")
BACKGROUND = "u=7"  # RFC 9218, section 4.1: the lowest urgency, for captures that no visitor waits for
HEADERS = {"User-Agent": "thumbnail-service", "Accept": "*/*", "Accept-Encoding": "identity"}

log = structlog.get_logger(__name__)
for name in ("urllib3.connection", "urllib3.connectionpool"):
    logging.getLogger(name).setLevel(
        logging.ERROR
    )  # below, they log request targets, with the query of the captured page


def full_jitter(ceiling: float) -> float:
    return random.uniform(0, ceiling)  # noqa: S311 - spreads load, not a secret


def _no_document(target: Target) -> Document:
    raise DocumentGone(f"nothing here draws {target.netloc}")


@dataclass(frozen=True, slots=True)
class Load:
    """The load that an engine has reported: captures of other callers, its slots, and when (monotonic)."""

    others: int = 0
    slots: int = 1
    at: float = 0.0


IDLE = Load()


@dataclass(frozen=True, slots=True)
class AddressState:
    """What this process knows of an API's address: its own calls without an answer, and the captures of others there.

    `slots` and `others` are what our engine said `load_age` seconds ago; both are None if it has said nothing yet.
    `away` says that it did not answer, and is not called for now.
    """

    address: str
    outstanding: int
    slots: int | None = None
    others: int | None = None
    load_age: float | None = None
    away: bool = False


class CaptureClient:
    """Takes pictures through one screenshot API. The threads of a process share one instance."""

    def __init__(  # noqa: PLR0913 - tests set the last two
        self,
        dialect: Dialect,
        base_url: str,
        api_key: str | None,
        *,
        html_of: Callable[[Target], Document] = _no_document,
        pool: int = 16,
        max_bytes: int = MAX_BYTES,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[float], float] = full_jitter,
    ) -> None:
        """`html_of` returns the document that a target names, when it is captured."""
        if dialect.needs_key and not api_key:
            raise ValueError(f"the key of {dialect.name} is missing")
        self._dialect = dialect
        self._html_of = html_of
        self._base_url = base_url.rstrip("/")
        self._api_key = api_key or ""
        self._max_bytes = max_bytes
        self._sleep = sleep
        self._jitter = jitter
        self._pool = pool
        self._lock = threading.Lock()
        self.outstanding = 0  # calls of this process that have no answer yet
        self._load = IDLE
        self._make_pool()

    def require_expressible(self, options: CaptureOptions) -> None:
        """Raise `InvalidOption` if the API cannot express the options. No I/O, so that it can precede any charge."""
        self._dialect.express(options)

    def capture(self, options: CaptureOptions, *, timeout: float, call: CaptureCall = NO_CALLER) -> Screenshot:
        """Take the picture within `timeout` seconds, retries included. Of the bytes, only type and length are checked.

        Raises `InvalidOption`, `BlockedTarget` (from the engine), a `CaptureError`, or what `call.count` raises before the
        first try.
        """
        deadline = time.monotonic() + timeout
        self.require_expressible(options)
        call.count()
        failure = CallFailure(LATE)
        for attempt in range(1, TRIES + 1):
            if (left := deadline - time.monotonic()) <= 0:
                break
            answer = self.try_once(options, left, call, attempt)
            if isinstance(answer, Screenshot):
                return answer
            if answer.outcome is not LATE or attempt == 1:  # a retry that timed out says less than the first failure
                failure = answer
            if call.hands_over and failure.outcome.hands_over:
                break
            pause = pause_before(failure, attempt + 1, self._jitter)
            if attempt == TRIES or pause is None or pause + LEAST_TRY > deadline - time.monotonic():
                break
            self._sleep(pause)
            try:
                call.count()
            except (RateLimited, CostLimited):
                break
        # Raised outside any `except`, since exceptions of `requests` hold the URL and must not become the context.
        raise self.judge(failure).to_error()

    def try_once(
        self, options: CaptureOptions, left: float, call: CaptureCall, attempt: int
    ) -> "Screenshot | CallFailure":
        """Ask once, and wait for at most `left` seconds. A failure is logged. Raises `InvalidOption` and `DocumentGone`."""
        # The API's words may repeat what is secret: a private option, or a part of a document.
        secret = bool(PRIVATE.intersection(chosen(options))) or options.target.is_document
        sent, path = self._dialect.express(options), self._dialect.path
        if options.target.is_document and self._dialect.documents:
            path = self._dialect.documents.path
            sent = self._dialect.add_document(sent, self._html_of(options.target))
        request = self._request(path, sent, self._headers(call), secret=secret)
        facts: dict[str, str | int] = {"api": self.name, "server": self.address, "attempt": attempt}
        with traces.span(f"{request.method} {path}", "client", **facts), self._counted():
            answer = self._exchange(self._traced(request), left, call.request_id)
            if isinstance(answer, CallFailure):
                traces.note_error(answer.outcome.error.code)
        if isinstance(answer, CallFailure):
            if options.target.is_document and answer.outcome is BLOCKED:
                answer = replace(answer, outcome=LEADS_AWAY)
            answer = self._without_secrets(answer, options, secret=secret)
            self._log_failure(answer, attempt, call.request_id)
        metrics.CAPTURE_CALLS.add(self.name, "ok" if isinstance(answer, Screenshot) else answer.outcome.error.code)
        return answer

    @contextmanager
    def _counted(self) -> Iterator[None]:
        """Count a call that has no answer yet."""
        with self._lock:
            self.outstanding += 1
        try:
            yield
        finally:
            with self._lock:
                self.outstanding -= 1

    def judge(self, failure: CallFailure) -> CallFailure:
        """Judge a call that got no answer in time: an engine that responds works, and its pages keep it busy."""
        if failure.outcome is LATE and self._dialect.ours and self.ping():
            return CallFailure(SLOW)
        return failure

    @property
    def address(self) -> str:
        """Host and port of the API."""
        return urllib.parse.urlsplit(self._base_url).netloc.rpartition("@")[2]

    def describe(self) -> tuple[AddressState, ...]:
        """Tell operators what this process knows of the API's address. No call."""
        load = self._load
        if not load.at:
            return (AddressState(self.address, self.outstanding),)
        age = round(time.monotonic() - load.at, 1)
        return (AddressState(self.address, self.outstanding, load.slots, load.others, age),)

    @property
    def busyness(self) -> float:
        """How full the engine is: captures that this process waits for, and others by its last answer, for each slot."""
        load = self._load if self._load.at > time.monotonic() - LOAD_SECONDS else IDLE
        return (self.outstanding + load.others) / load.slots

    def _headers(self, call: CaptureCall) -> dict[str, str]:
        headers = {"X-Request-ID": call.request_id} if call.request_id else {}
        if call.client and self._dialect.ours:
            headers["X-Client"] = call.client
        if call.background and self._dialect.priority:
            headers["Priority"] = BACKGROUND
        return headers

    def _traced(self, request: requests.Request) -> requests.Request:
        """Pass the trace on to our own engine. Other services have no use for it."""
        if self._dialect.ours:
            request.headers = {**request.headers, **traces.headers()}
        return request

    def ping(self) -> bool:
        """Return whether the API responds, by a path that costs no capture and needs no key."""
        request = requests.Request("GET", self._base_url + self._dialect.health, headers=HEADERS)
        try:
            with self._send(request, PING_TIMEOUT) as response:
                return response.status_code < 400
        except (requests.RequestException, urllib3.exceptions.HTTPError):
            return False

    @property
    def name(self) -> str:
        """The name of the API."""
        return self._dialect.name

    @property
    def is_ours(self) -> bool:
        """Whether the API is our own engine."""
        return self._dialect.ours

    @property
    def reads_pages(self) -> bool:
        """Whether the API says what pages say of themselves."""
        return self._dialect.metadata

    def close(self) -> None:
        """Close the pooled connections."""
        self._adapter.close()

    def _request(
        self, path: str, sent: Mapping[str, object], own: Mapping[str, str], *, secret: bool
    ) -> requests.Request:
        """Write the request. An API or a proxy in front of it may log a URL, so one with a `secret` has a body."""
        headers = {**HEADERS, **own}
        if self._api_key:
            headers[self._dialect.key_header] = self._dialect.key_prefix + self._api_key
        url = self._base_url + path
        if self._dialect.method == "POST" or "html" in sent or (self._dialect.json_too and _needs_body(sent, secret)):
            # No longer than the caller's own body, which may have the longest that the engine takes.
            body = json.dumps(sent, ensure_ascii=False, separators=(",", ":")).encode()
            return requests.Request("POST", url, headers=headers | {"Content-Type": "application/json"}, data=body)
        return requests.Request("GET", url, headers=headers, params=_query(sent))

    def _exchange(self, request: requests.Request, left: float, request_id: str) -> Screenshot | CallFailure:
        try:
            with self._send(request, left) as response:
                self._note_load(response.headers.get(LOAD_HEADER, ""))
                traces.note(status=response.status_code)
                if response.status_code == 200:
                    self._log_if_slow(response, request_id)
                    return read_screenshot(response, self._dialect, self._max_bytes)
                return read_refusal(response, self._dialect)
        except (UnusableResponse, requests.RequestException, urllib3.exceptions.HTTPError) as err:
            return failure_of(err)

    def _send(self, request: requests.Request, left: float) -> requests.Response:
        if os.getpid() != self._pid:
            self._make_pool()
        # `total` takes the time for connecting off the time for the response.
        timeout: Any = Timeout(total=left, connect=min(left, CONNECT_TIMEOUT))
        # A `Session` would decompress the whole body of a redirect that it must not follow. It would also keep the API's
        # cookies, and read proxies and passwords from the environment.
        return self._adapter.send(request.prepare(), stream=True, timeout=timeout)

    def _make_pool(self) -> None:
        """Make an empty connection pool. Two processes on one inherited socket would read each other's pictures."""
        self._pid = os.getpid()
        self._adapter = _Adapter(pool_connections=1, pool_maxsize=self._pool, max_retries=0)

    def _note_load(self, header: str) -> None:
        """Remember how full the engine says it is: captures that run or wait there, this one left out, and its slots."""
        if load := _LOAD.fullmatch(header):
            others = max(int(load[1]) - (self.outstanding - 1), 0)
            self._load = Load(others, max(int(load[2]), 1), time.monotonic())

    def _without_secrets(self, failure: CallFailure, options: CaptureOptions, *, secret: bool) -> CallFailure:
        """Return the failure with the API's words as the log and operators may see them.

        Where the caller's options are `secret`, those words may repeat a cookie, a header, or what a script throws.
        """
        target, event = options.target, dict(failure.event)
        text = WITHHELD if secret else redact(failure.text, target, self._api_key)
        if "reason" in event:
            event["reason"] = WITHHELD if secret else redact(event["reason"], target, self._api_key)
        return replace(failure, code=redact(failure.code, target, self._api_key), text=text, event=event)

    def _log_if_slow(self, response: requests.Response, request_id: str) -> None:
        """Log which parts of a slow capture took the time, as our own engine tells it."""
        event = read_event(response.headers.get(EVENT_HEADER, "")) if self._dialect.ours else {}
        if event.get("seconds", 0) >= SLOW_SECONDS:
            facts = {name: event[name] for name in ("seconds", "parts", "requests", "attempts") if name in event}
            log.info("capture_slow", api=self.name, address=self.address, request_id=request_id, **facts)

    def _log_failure(self, failure: CallFailure, attempt: int, request_id: str) -> None:
        write = log.error if failure.outcome.hint else log.warning
        write(
            "capture_refused",
            api=self._dialect.name,
            status=failure.status,
            code=failure.code,
            reason=failure.text,
            error=failure.outcome.error.code,
            attempt=attempt,
            request_id=request_id,
            **({"hint": failure.outcome.hint} if failure.outcome.hint else {}),
        )


def pause_before(failure: CallFailure, attempt: int, jitter: Callable[[float], float]) -> float | None:
    """Return the seconds before `attempt` (2 is the first retry), or `None` if there is none."""
    if not failure.outcome.retried:
        return None
    return (failure.retry_after or 0.0) + jitter(BACKOFF * 2 ** (attempt - 2))


def _query(sent: Mapping[str, object]) -> str:
    return urllib.parse.urlencode({name: _literal(value) for name, value in sent.items()})


def _needs_body(sent: Mapping[str, object], secret: bool) -> bool:
    """Return whether options do not fit into a URL, or must not be in one."""
    return secret or any(isinstance(each, dict | list) for each in sent.values()) or len(_query(sent)) > LONGEST_QUERY


def _literal(value: object) -> str:
    """Write a value for a query: `true` instead of `True`, `2` instead of `2.0`."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = POOLS
