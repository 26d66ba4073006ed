"""The header `Idempotency-Key` of a POST: the view's work is done once for each key."""

from collections.abc import Callable

from flask import Response, request

from coordination import Attempt, IdempotencyStore, StoredResponse
from web.http.callers import Caller
from web.http.request_log import note

_REPEATED = ("Content-Type", "Location", "Retry-After", "Preference-Applied")


def attempt_of(caller: Caller, body: object) -> Attempt | None:
    """Name this try to have `body` worked on, if it has a key. Raises InvalidOption."""
    key = request.headers.get("Idempotency-Key")
    return None if key is None else Attempt.of(key, (request.path, caller.name), body)


def once(idempotency: IdempotencyStore, attempt: Attempt | None, work: Callable[[], Response]) -> Response:
    """Give what `work` answers, or answered before to this caller under the same key.

    Raises IdempotencyConflict, IdempotencyUnderWay, and what `work` raises.
    """
    if attempt is None:
        return work()
    answer = idempotency.run_once(attempt, work, _strip)
    if isinstance(answer, Response):
        return answer
    note(replay=True)
    return Response(answer.body, answer.status, dict(answer.headers))


def _strip(response: Response) -> StoredResponse:
    """Leave out what belongs to one request alone: its id, its limits."""
    headers = {name: response.headers[name] for name in _REPEATED if name in response.headers}
    return StoredResponse(response.status_code, headers, response.get_data(as_text=True))
