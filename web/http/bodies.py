"""JSON bodies in, and URLs for JSON bodies out."""

import json

from flask import abort, request

from errors import InvalidOption


def absolute(url: str, public_url: str | None) -> str:
    """A picture in a local folder has a path of this service for a URL."""
    return (public_url or request.host_url.rstrip("/")) + url if url.startswith("/") else url


def json_body() -> object:
    if not request.is_json:
        abort(415)
    try:
        return json.loads(request.get_data(), object_pairs_hook=_unrepeated)
    except (ValueError, RecursionError):
        raise InvalidOption('the body is not JSON; send an object such as {"url": "https://example.com/"}') from None


def _unrepeated(pairs: list[tuple[str, object]]) -> dict[str, object]:
    # One look at each name: a body may hold thousands, and nobody else is served meanwhile.
    found: dict[str, object] = {}
    for name, value in pairs:
        if name in found:
            raise InvalidOption("is given more than once; give it once", field=name[:40])
        found[name] = value
    return found
