"""Sends one webhook: judges its target, signs it, and posts it to a judged address. Reads only the response's status.

Signed by the Standard Webhooks scheme (https://www.standardwebhooks.com). Knows neither jobs nor retries.
"""

import ssl
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

import structlog
import urllib3
from standardwebhooks import Webhook
from urllib3.util import Timeout

from errors import BadRequest, BlockedTarget, InvalidOption, InvalidURL, OverCapacity, ThumbnailError
from netguard import Address, Guard, Verdict
from options import Target
from outbound import pinned_pool
from telemetry import metrics, traces
from urls import NOT_PUBLIC, parse_url

TOTAL_SECONDS = 10.0
CONNECT_SECONDS = 2.5  # for TCP, and again for TLS
MAX_ADDRESSES = 2  # so many fit into TOTAL_SECONDS, after a lookup of 2 s and with CONNECT_SECONDS each
SLOW_SECONDS = 2.0
_GONE = 410
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class WebhookMessage:
    """What is sent: `id` is the same in every attempt, `body` is JSON text."""

    id: str
    target: Target
    body: str


@dataclass(frozen=True, slots=True)
class SendResult:
    """How an attempt ended: the receiver's status, or None if it gave no answer."""

    status: int | None
    seconds: float = 0.0

    @property
    def unresponsive(self) -> bool:
        """Return whether the attempt took long and still got no answer."""
        return self.status is None and self.seconds > SLOW_SECONDS

    @property
    def delivered(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def rejected(self) -> bool:
        """Return whether the receiver asked for no further attempt, by a 410."""
        return self.status == _GONE


class WebhookSender:
    """Sends messages. One instance per process."""

    def __init__(
        self, guard: Guard, secrets: tuple[str, ...], *, resolves: bool = True, tls: ssl.SSLContext | None = None
    ) -> None:
        """`secrets` sign, newest first; without any, webhooks are off.

        `resolves` lets `require_allowed_url` look names up.
        """
        self._guard = guard
        self._signers = tuple(map(Webhook, secrets))
        self._resolves = resolves
        self._given_tls = tls

    def require_allowed_url(self, url: str) -> str:
        """Return the canonical spelling of a caller's `webhook_url`, or refuse it.

        Raises InvalidOption, InvalidURL, BlockedTarget or OverCapacity.
        """
        if not self._signers:
            raise InvalidOption(
                "webhooks are off; the operator can enable them with WEBHOOK_SECRET", field="webhook_url"
            )
        try:
            target = parse_url(url, self._guard)
            host, port = target.host, target.port
            verdict = (
                self._guard.judge_to_connect(host, port).verdict if self._resolves else self._guard.screen(host, port)
            )
            _require_allowed(target, verdict)
        except BadRequest as err:
            raise err.about("webhook_url") from err.__cause__
        return target.url

    def send(self, message: WebhookMessage) -> SendResult:
        """Try once to send `message`, within TOTAL_SECONDS. Never raises for what a receiver does."""
        began = time.monotonic()
        status, reason = self._attempt(message, began + TOTAL_SECONDS)
        seconds = time.monotonic() - began
        host = message.target.netloc  # never the path or query, which may hold secrets
        _log.info(
            "webhook",
            webhook_id=message.id,
            host=host,
            status=status,
            reason=reason,
            ms=round(seconds * 1000),
            **traces.log_facts(),
        )
        traces.note(webhook_status=status or 0)
        return SendResult(status, seconds)

    def _attempt(self, message: WebhookMessage, deadline: float) -> tuple[int | None, str | None]:
        if not self._signers:
            # The web process has a secret and the worker has none. An unsigned message would prove nothing.
            return None, "WEBHOOK_SECRET is not set"
        judgement = self._guard.judge_to_connect(message.target.host, message.target.port)
        metrics.GUARD_VERDICTS.add(judgement.verdict)
        try:
            _require_allowed(message.target, judgement.verdict)
        except ThumbnailError:
            return None, str(judgement.verdict)
        reason = None
        for address in judgement.addresses[:MAX_ADDRESSES]:
            try:
                with traces.span("POST", "client", host=message.target.netloc):
                    return self._post(message, address, deadline), None
            except urllib3.exceptions.HTTPError as err:
                reason = type(err).__name__  # not the text, which contains the URL
                if not isinstance(err, (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError)):
                    break
        return None, reason

    def _post(self, message: WebhookMessage, address: Address, deadline: float) -> int:
        """Post `message` to `address`, without another lookup. Raises urllib3's HTTPError."""
        left = max(deadline - time.monotonic(), 0.1)
        with pinned_pool(message.target, address, lambda: self._tls) as pool:
            response = pool.urlopen(
                "POST",
                message.target.path,
                body=message.body.encode(),
                headers=self._headers(message),
                timeout=Timeout(total=left, connect=min(left, CONNECT_SECONDS)),
                retries=False,
                redirect=False,
                preload_content=False,
            )
            response.close()  # without reading the body
            return response.status

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        """The trusted authorities. Loading the system's takes a while, and most processes send no webhooks."""
        return self._given_tls or ssl.create_default_context()

    def _headers(self, message: WebhookMessage) -> dict[str, str]:
        now = datetime.now(UTC)
        return {
            "Host": message.target.netloc,
            "User-Agent": "thumbnail-service",
            "Content-Type": "application/json",
            "webhook-id": message.id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": " ".join(signer.sign(message.id, now, message.body) for signer in self._signers),
            **traces.headers(),
        }


def _require_allowed(target: Target, verdict: Verdict) -> None:
    """Refuse targets that are not public, and plain HTTP over the open web. Raises BlockedTarget or InvalidURL.

    Raises OverCapacity if the name could not be looked up: that says nothing about the target.
    """
    if verdict is Verdict.BUSY:
        raise OverCapacity("too many names are being looked up; try again in a few seconds")
    if not verdict.ok and verdict is not Verdict.NEEDS_LOOKUP:
        raise BlockedTarget(NOT_PUBLIC, verdict=verdict)
    if target.scheme == "http" and verdict is not Verdict.EXEMPT:
        raise InvalidURL("must start with https://")
