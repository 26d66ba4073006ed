"""JSON bodies of requests."""

import json

from flask import abort, request

from errors import InvalidOption


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
