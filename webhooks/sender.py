"""The delivery of one webhook: judged, signed, posted to the address that was judged, and nothing believed of the answer.

Signed by the Standard Webhooks scheme (https://www.standardwebhooks.com). Knows nothing of jobs, nor of when to try
again but for the seconds between the tries.
"""

import random
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

import structlog
import urllib3
from standardwebhooks import Webhook
from urllib3.util import Timeout

from errors import BadRequest, BlockedTarget, InvalidOption, InvalidURL, OverCapacity, ThumbnailError
from netguard import Address, Guard, Judgement, Verdict
from options import Target
from outbound import POOLS
from urls import NOT_PUBLIC, parse_url

# Seconds between tries: a restart, a deployment, an outage; about an hour in all.
PAUSES = (10, 60, 300, 900, 2400)
TRIES = len(PAUSES) + 1
TOTAL_SECONDS = 10.0
CONNECT_SECONDS = 2.5  # for TCP, and again for TLS
MOST_ADDRESSES = 2  # with a look-up of 2 s and CONNECT_SECONDS, what fits into TOTAL_SECONDS
PATIENCE_SECONDS = 2.0
_GONE = 410
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent: `id` names it in every try, `body` is JSON text."""

    id: str
    target: Target
    body: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """How a try ended: the receiver's status, or None where it gave none."""

    status: int | None
    seconds: float = 0.0

    @property
    def kept_waiting(self) -> bool:
        """Tell whether there was no answer, and it took long to learn that."""
        return self.status is None and self.seconds > PATIENCE_SECONDS

    @property
    def delivered(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def refused_for_good(self) -> bool:
        """Tell whether the receiver wants no further try, as 410 says."""
        return self.status == _GONE


def pause(tries: int, jitter: Callable[[float, float], float] = random.uniform) -> float | None:
    """Give the seconds to wait after so many tries that failed, a fifth of them jitter; None for no further try."""
    return PAUSES[tries - 1] * jitter(0.8, 1.2) if tries < TRIES else None


class Courier:
    """Delivers messages. One instance a process."""

    def __init__(
        self, guard: Guard, secrets: tuple[str, ...], *, resolves: bool = True, tls: ssl.SSLContext | None = None
    ) -> None:
        """`secrets` sign, newest first; none of them is no webhooks at all. `resolves` tells `admit` to look names up."""
        self._guard = guard
        self._signers = tuple(map(Webhook, secrets))
        self._resolves = resolves
        self._given_tls = tls

    def admit(self, url: str) -> str:
        """Give the canonical spelling of a caller's `webhook_url`.

        Raises InvalidOption, InvalidURL, BlockedTarget or OverCapacity.
        """
        if not self._signers:
            raise InvalidOption(
                "webhooks are off here; the operator turns them on with WEBHOOK_SECRET", field="webhook_url"
            )
        try:
            target = parse_url(url, self._guard)
            judge = self._judge if self._resolves else self._screen
            _require_allowed(target, judge(target).verdict)
        except BadRequest as err:
            raise err.about("webhook_url") from err.__cause__
        return target.url

    def deliver(self, message: Message) -> Receipt:
        """Try once to hand `message` over, within TOTAL_SECONDS. Never raises for what a receiver does."""
        began = time.monotonic()
        status, reason = self._try(message, began + TOTAL_SECONDS)
        seconds = time.monotonic() - began
        host = message.target.netloc  # never the path or the query: receivers keep secrets there
        _log.info("webhook", webhook_id=message.id, host=host, status=status, reason=reason, ms=round(seconds * 1000))
        return Receipt(status, seconds)

    def _try(self, message: Message, deadline: float) -> tuple[int | None, str | None]:
        if not self._signers:
            return None, "WEBHOOK_SECRET is not set"  # for the web process it was: an unsigned message proves nothing
        judgement = self._judge(message.target)
        try:
            _require_allowed(message.target, judgement.verdict)
        except ThumbnailError:
            return None, str(judgement.verdict)
        reason = None
        for address in judgement.addresses[:MOST_ADDRESSES]:
            try:
                return self._post(message, address, deadline), None
            except urllib3.exceptions.HTTPError as err:
                reason = type(err).__name__  # by name alone: the text holds the URL
                if not isinstance(err, (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError)):
                    break
        return None, reason

    def _post(self, message: Message, address: Address, deadline: float) -> int:
        """Send `message` to `address`, whatever its name resolves to by now. Raises urllib3's HTTPError."""
        left = max(deadline - time.monotonic(), 0.1)
        # A pool of its own: no proxy from the environment, no redirect, no connection that another address left over.
        with self._pool(message.target, address) as pool:
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
            response.close()  # its body is nothing to us
            return response.status

    def _pool(self, target: Target, address: Address) -> urllib3.HTTPConnectionPool:
        if target.scheme == "http":
            return POOLS["http"](str(address), target.port)
        # The certificate must be the name's, though it is an address that is dialled.
        name = target.host.strip("[]")
        return POOLS["https"](str(address), target.port, server_hostname=name, ssl_context=self._tls)

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        """Whom to trust. Reading the system's authorities takes a while, and most processes deliver nothing."""
        return self._given_tls or ssl.create_default_context()

    def _headers(self, message: Message) -> dict[str, str]:
        now = datetime.now(UTC)
        return {
            "Host": message.target.netloc,
            "User-Agent": "thumbnail-service",
            "Content-Type": "application/json",
            "webhook-id": message.id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": " ".join(signer.sign(message.id, now, message.body) for signer in self._signers),
        }

    def _judge(self, target: Target) -> Judgement:
        return self._guard.judge(target.host, target.port)

    def _screen(self, target: Target) -> Judgement:
        return Judgement(self._guard.screen(target.host, target.port))


def _require_allowed(target: Target, verdict: Verdict) -> None:
    """Refuse what is not public, and what would go over the open web in clear. Raises BlockedTarget or InvalidURL.

    A look-up that could not be made says nothing of the name, and is made again at delivery: OverCapacity.
    """
    if verdict is Verdict.BUSY:
        raise OverCapacity("too many names are being looked up; try again in a few seconds")
    if not verdict.ok and verdict is not Verdict.NEEDS_LOOKUP:
        raise BlockedTarget(NOT_PUBLIC, verdict=verdict)
    if target.scheme == "http" and verdict is not Verdict.EXEMPT:
        raise InvalidURL("must start with https://")
