"""What a screenshot API has sent: a picture by its type and length, or why there is none.

Neither length, type, pace nor text of a response is trusted. `images` judges whether the bytes are a picture.
"""

import time
from dataclasses import dataclass, replace

import requests
import urllib3

from capture.dialects import Dialect
from capture.outcomes import BROKEN, DOWN, LATE, TOO_LARGE, UNTRUSTED, UNUSABLE, CallFailure, Outcome, read_failure
from options import EVENT_HEADER, METADATA_HEADER, NO_NOTES, NOTE_HEADER, Notes, PageMetadata, read_event

_LONGEST_ERROR = 64 * 2**10
_CHUNK = 64 * 2**10


@dataclass(frozen=True, slots=True)
class Screenshot:
    """The bytes that an API sent as a picture, its notes about them, and what the page says of itself.

    `page` is None for an API that does not read it.
    """

    body: bytes
    notes: Notes = NO_NOTES
    page: PageMetadata | None = None


class UnusableResponse(Exception):
    """A 200 without a usable picture."""


class BodyTooLarge(UnusableResponse):
    """A picture of more bytes than are taken. The page decides how well it can be compressed."""


def read_screenshot(response: requests.Response, dialect: Dialect, most: int) -> Screenshot:
    """Read a 200 of up to `most` bytes. Raises UnusableResponse, BodyTooLarge, or urllib3's HTTPError."""
    notes = Notes.read(response.headers.get(NOTE_HEADER, "")) if dialect.notes else NO_NOTES
    # An engine of an older version does not say what the page says of itself, and is not asked again.
    page = PageMetadata.read(response.headers.get(METADATA_HEADER, "")) if dialect.metadata else None
    return Screenshot(_picture(response, most), notes, page)


def read_refusal(response: requests.Response, dialect: Dialect) -> CallFailure:
    """Read any other status."""
    try:
        body = _read(response, _LONGEST_ERROR)
    except urllib3.exceptions.HTTPError:
        body = b""  # the status is enough
    retry_after = response.headers.get("Retry-After")
    failure = read_failure(dialect.envelope, dialect.outcomes, response.status_code, retry_after, body)
    return replace(failure, event=read_event(response.headers.get(EVENT_HEADER, ""))) if dialect.ours else failure


def failure_of(err: Exception) -> CallFailure:
    """Judge why there is no response, or no usable one."""
    if isinstance(err, UnusableResponse):
        return CallFailure(TOO_LARGE if isinstance(err, BodyTooLarge) else UNUSABLE, text=str(err))
    outcome = next(outcome for kind, outcome in _OUTCOME_OF_EXCEPTION if isinstance(err, kind))
    # Only the name is logged, since the text may hold the URL or the key.
    return CallFailure(outcome, text=type(err).__name__, lost=_was_lost(err))


# The first match counts. A connection that is lost before the response begins counts as refused: usually the API has
# closed an idle connection of the pool. At worst, the retry costs one more capture.
_OUTCOME_OF_EXCEPTION: tuple[tuple[type[Exception], Outcome], ...] = (
    (requests.exceptions.SSLError, UNTRUSTED),
    (requests.exceptions.ReadTimeout, LATE),
    (urllib3.exceptions.ReadTimeoutError, LATE),
    (requests.exceptions.ConnectionError, DOWN),
    (urllib3.exceptions.ProtocolError, UNUSABLE),
    (Exception, BROKEN),
)


def _was_lost(err: Exception) -> bool:
    """Return whether the connection was made, and broke before the whole answer had come."""
    cause = err.args[0] if isinstance(err, requests.exceptions.ConnectionError) and err.args else err
    return isinstance(cause, urllib3.exceptions.ProtocolError)


def _picture(response: requests.Response, most: int) -> bytes:
    content_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if not content_type.startswith("image/") and content_type != "application/pdf":
        raise UnusableResponse("the content type is not a picture's")
    # The request asks for no encoding, and a compressed body could be a bomb.
    if response.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        raise UnusableResponse("the body is encoded")
    announced = response.headers.get("Content-Length", "")
    if announced.isdecimal() and (len(announced) > 15 or int(announced) > most):
        raise BodyTooLarge("the announced length is too large")
    body = _read(response, most + 1)
    if not body:
        raise UnusableResponse("the body is empty")
    if len(body) > most:
        raise BodyTooLarge("the body is too large")
    return body


def _read(response: requests.Response, most: int) -> bytes:
    """Read up to `most` bytes. Raises `ProtocolError` for a body that is shorter than announced."""
    body = bytearray()
    while len(body) < most and (chunk := response.raw.read1(min(_CHUNK, most - len(body)), decode_content=False)):
        body += chunk
        time.sleep(0)  # lets other greenlets run: gevent does not while there is something to read
    return bytes(body)
