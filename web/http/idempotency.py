"""The header `Idempotency-Key` of a POST: a retry with the same key gets the first response again."""

from collections.abc import Callable

from flask import Response, request

from coordination import Attempt, IdempotencyStore, StoredResponse
from options import NOTE_HEADER, STATUS_HEADER
from web.http.callers import Caller
from web.http.request_log import log_facts

_STORED_HEADERS = ("Content-Type", "Location", "Retry-After", "Preference-Applied", NOTE_HEADER, STATUS_HEADER)


def current_attempt(caller: Caller, body: object) -> Attempt | None:
    """Identify the current request by its `Idempotency-Key`, None without one. Raises InvalidOption."""
    key = request.headers.get("Idempotency-Key")
    return None if key is None else Attempt.of(key, (request.path, caller.name), body)


def respond_once(store: IdempotencyStore, attempt: Attempt | None, respond: Callable[[], Response]) -> Response:
    """Call `respond`, or repeat what it responded to an earlier request with the same key.

    Raises IdempotencyConflict, IdempotencyInProgress, and what `respond` raises.
    """
    if attempt is None:
        return respond()
    response = store.run_once(attempt, respond, _storable)
    if isinstance(response, Response):
        return response
    log_facts(replay=True)
    return Response(response.body, response.status, dict(response.headers))


def _storable(response: Response) -> StoredResponse:
    """Leave out the headers that belong to one request alone, such as its id and its limits."""
    headers = {name: response.headers[name] for name in _STORED_HEADERS if name in response.headers}
    return StoredResponse(response.status_code, headers, response.get_data(as_text=True))
