"""JSON bodies of requests."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

from flask import abort, request

from errors import InvalidOption
from thumbnails import Seats

LARGE_BODY = 256 << 10  # bytes; many requests may have less at a time


def json_body() -> object:
    """Decode the body of the current request. Raises InvalidOption, or responds with 413 or 415."""
    return decode(raw_body())


def raw_body(most: int | None = None) -> bytes:
    """Return the body of the current request, of JSON, with at most so many bytes. Responds with 413 or 415."""
    if not request.is_json:
        abort(415)
    if most is not None:
        request.max_content_length = most
    return request.get_data()


class LargeBodies:
    """Room for large bodies: a process holds few of them at a time, and no client takes all of it while others come."""

    def __init__(self, at_once: int = 12) -> None:
        self._seats = Seats(at_once, reserve=max(at_once // 4, 1))

    @contextmanager
    def room(self, client: str) -> Iterator[None]:
        """Hold room for the body of the current request, if it is large, while the block runs.

        Raises OverCapacity, and RateLimited beyond the share of `client`.
        """
        if request.content_length is not None and request.content_length <= LARGE_BODY:
            yield
            return
        with self._seats.take(client) as seated:
            if not seated:
                raise self._seats.refusal(client, "large bodies")
            yield


def decode(body: bytes) -> object:
    """Decode a body. Raises InvalidOption."""
    try:
        return json.loads(body, object_pairs_hook=_refuse_repeated_names)
    except (ValueError, RecursionError):
        raise InvalidOption('the body is not JSON; send an object such as {"url": "https://example.com/"}') from None


def _refuse_repeated_names(pairs: list[tuple[str, object]]) -> dict[str, object]:
    # One pass: a body may hold thousands of names, and the process serves no other request meanwhile.
    found: dict[str, object] = {}
    for name, value in pairs:
        if name in found:
            raise InvalidOption("is set more than once; send it once", field=name[:40])
        found[name] = value
    return found
