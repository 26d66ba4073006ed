"""Records of jobs: the request, the state and the outcome of each, and how these are spelled in Redis."""

import hashlib
import itertools
import json
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Self

from errors import CaptureError, ThumbnailError
from jobs.messages import BULK, INTERACTIVE
from model import ThumbnailRequest
from options import BULKY, Delivery, Notes, Rendition, chosen
from telemetry.origin import Origin
from urls import read_capture


class State(StrEnum):
    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"

    @property
    def ended(self) -> bool:
        return self in (State.COMPLETED, State.FAILED)


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a job failed, in the words of an error of `/thumb`."""

    status: int
    code: str
    title: str
    detail: str
    retryable: bool = False
    page_status: int | None = None

    @classmethod
    def of(cls, err: ThumbnailError) -> Self:
        page_status = err.page_status if isinstance(err, CaptureError) else None
        return cls(err.status, err.code, err.title, err.detail, err.retryable, page_status)

    @property
    def members(self) -> dict[str, object]:
        """Return what callers see: `page_status` only where there is one."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True, slots=True)
class JobResult:
    """The picture of a job: its `key` in the storage, its permanent `url` if it was persisted, notes as in a header.

    `captured_by` names the screenshot API that took it.
    """

    key: str
    content_type: str
    width: int
    height: int
    bytes: int
    captured_at: float
    url: str | None = None
    notes: str = ""
    captured_by: str = ""

    @property
    def page_status(self) -> int:
        """The HTTP status of the page, 0 if it is not known."""
        return Notes.read(self.notes).page_status

    @property
    def note_headers(self) -> dict[str, str]:
        return Notes.read(self.notes).headers


class WebhookState(StrEnum):
    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class WebhookProgress:
    """The state of a job's webhook; `last_status` is None if the receiver gave no answer."""

    state: WebhookState = WebhookState.PENDING
    attempts: int = 0
    last_status: int | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """A requested picture and its state. Times are Unix seconds.

    `owner` is the name of the caller's API key, empty if no keys are set. `client` is the client whose budgets pay. `turn` is 1 for the first attempt and grows
    whenever the job is postponed. `retries` counts the postponements after a failure, the last one at `tried_at`.
    """

    id: str
    wanted: ThumbnailRequest
    created_at: float
    owner: str = ""
    queue: str = INTERACTIVE
    persist: bool = False
    webhook_url: str | None = None
    request_id: str = ""
    client: str = ""
    state: State = State.PENDING
    turn: int = 1
    retries: int = 0
    tried_at: float | None = None
    completed_at: float | None = None
    problem: Problem | None = None
    result: JobResult | None = None
    webhook: WebhookProgress | None = None
    traceparent: str = ""

    @property
    def origin(self) -> Origin:
        """The span of the request that created the job. Jobs of a batch are linked with it."""
        return Origin(self.traceparent, linked=self.queue == BULK)

    @property
    def begun(self) -> bool:
        """Return whether a worker has ever begun this job, even if it is postponed now."""
        return self.state is not State.PENDING or self.turn > 1

    def encode_request(self) -> str:
        """Encode the part of the record that never changes."""
        # Left out where they are empty: an older worker, during an upgrade, knows no field that is newer.
        seldom = {"private_to": self.wanted.owner, "traceparent": self.traceparent}
        return json.dumps(
            {name: value for name, value in seldom.items() if value}
            | {
                "capture": {name: value for name, value in self._chosen.items() if name not in BULKY},
                "rendition": chosen(self.wanted.rendition),
                "delivery": chosen(self.wanted.delivery),
                "created_at": self.created_at,
                "owner": self.owner,
                "queue": self.queue,
                "persist": self.persist,
                "webhook_url": self.webhook_url,
                "request_id": self.request_id,
                "client": self.client,
            },
            separators=(",", ":"),
        )

    def encode_until_the_end(self) -> str:
        """Encode the options that the record holds only until the job ends: secrets and long texts. "" if none."""
        kept = {name: value for name, value in self._chosen.items() if name in BULKY}
        return json.dumps(kept, separators=(",", ":")) if kept else ""

    @property
    def _chosen(self) -> dict[str, Any]:
        return chosen(self.wanted.capture)

    @classmethod
    def decode(cls, id_: str, record: Mapping[bytes, bytes]) -> Self:
        """Decode a job's record: `wish` holds the request, and each value that changes has its own field.

        The request of an ended job lacks the options that the record no longer holds.
        """
        request = json.loads(record[b"wish"])
        wanted = ThumbnailRequest(
            read_capture(request.pop("capture") | (_load(record.get(b"private")) or {})),
            Rendition(**request.pop("rendition")),
            Delivery(**request.pop("delivery")),
            request.pop("private_to", ""),
        )
        problem, result = _load(record.get(b"problem")), _load(record.get(b"result"))
        return cls(
            id_,
            wanted,
            **request,
            state=State(record[b"state"].decode()),
            turn=int(record[b"turn"]),
            retries=int(record.get(b"retries", 0)),
            tried_at=float(record[b"tried_at"]) if b"tried_at" in record else None,
            completed_at=float(record[b"completed_at"]) if b"completed_at" in record else None,
            problem=Problem(**problem) if problem else None,
            result=JobResult(**result) if result else None,
            webhook=_progress(record.get(b"webhook")) if request["webhook_url"] else None,
        )


@dataclass(frozen=True, slots=True)
class Batch:
    """Jobs that one request created."""

    id: str
    owner: str
    created_at: float
    jobs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class QueueStats:
    """Counts of all work: messages per queue, jobs of the last day per state, all retries so far.

    `undelivered` counts the webhooks that are still to be delivered. `oldest_seconds` is the age of the oldest
    unfinished job; None if there is none. `worker_seen_seconds` is the time since a worker was last seen; None if none was.
    """

    queued: dict[str, int]
    undelivered: int
    jobs: dict[str, int]
    retries: int
    oldest_seconds: float | None
    worker_seen_seconds: float | None


def new_id() -> str:
    """Make an id that cannot be guessed: 128 random bits."""
    return secrets.token_hex(16)


def ids_from(seed: str) -> Iterator[str]:
    """Derive ids from a random `seed`: always the same, and not to be guessed without it."""
    return (hashlib.sha256(f"{seed}:{number}".encode()).hexdigest()[:32] for number in itertools.count())


def timestamp(seconds: float) -> str:
    """Format a Unix time as the API does."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _progress(value: bytes | None) -> WebhookProgress:
    given = _load(value) or {}
    return WebhookProgress(**given | {"state": WebhookState(given["state"])}) if given else WebhookProgress()


def _load(value: bytes | None) -> dict[str, Any] | None:
    return json.loads(value) if value else None
