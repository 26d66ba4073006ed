"""The state of a picture as JSON, for a program that asks `/thumb` with `Accept: application/json`.

It asks as an `<img>` does: a page that is unknown is captured. But it does not wait for the capture, unless it says so by
`wait`.
"""

import re
from collections.abc import Mapping
from dataclasses import replace

from flask import Response, g, json, request

from errors import Pending
from model import ThumbnailRequest
from thumbnails import Served
from web.http.addresses import absolute_url
from web.http.pictures import SAFE_HEADERS
from web.http.thumb_paths import current_reader, raw_path

JSON = "application/json"
# Of the address of a picture: what would not show a picture that is known, would capture it once more for each visitor, or
# would keep a cache in front from finding it. A signature covers `fresh` alone.
_OF_ONE_REQUEST = re.compile(r"(?:^|&)(?:wait|fresh|_)(?:=[^&]*)?(?=&|$)")
_NOT_SIGNED = re.compile(r"(?:^|&)(?:wait|_)(?:=[^&]*)?(?=&|$)")
_SIGNED = re.compile(r"(?:^|&)sig=")


def is_asked_for() -> bool:
    """Return whether the current request is for the state of a picture, not for the picture itself.

    A program that names JSON among much else, as libraries do by default, gets the picture.
    """
    reader = current_reader()
    if reader is None or reader.presenter is not None or request.method == "POST":
        return False
    accept = request.accept_mimetypes
    named = (quality for kind, quality in accept if kind.partition(";")[0].strip().lower() == JSON)
    return max(named, default=0) > max(accept.quality("image/png"), accept.quality("image/webp"))


def note_request(wanted: ThumbnailRequest, public_url: str | None) -> None:
    """Note which picture the current request is about, if it is for a state: the picture may fail."""
    if is_asked_for():
        g.page_of_state = {"url": wanted.target.url, "picture": _address(public_url)}


def of_failure(retry_after: int | None) -> dict[str, object]:
    """Return the members of a problem that tell the state, where the current request is for it. A bad URL is no page."""
    if not is_asked_for():
        return {}
    waits = {} if retry_after is None else {"retry_after": retry_after}
    return {"state": "failed", **g.get("page_of_state", {}), **waits}


def without_waiting(wanted: ThumbnailRequest) -> ThumbnailRequest:
    """Return `wanted` for a caller that waits no longer than its own `wait` says."""
    return replace(wanted, delivery=replace(wanted.delivery, wait=wanted.delivery.wait or 0))


def of_picture(wanted: ThumbnailRequest, served: Served, public_url: str | None) -> Response:
    """Respond with the state of a picture that is there. `picture` is where it is: this address, as a GET of an `<img>`."""
    picture = served.picture
    size = {"width": picture.width, "height": picture.height} if picture.width else {}
    return _respond(
        200,
        {
            "state": "ready",
            "url": wanted.target.url,
            "picture": _address(public_url),
            "captured_at": picture.captured_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "format": wanted.rendition.format,
            **({"captured_by": picture.captured_by} if picture.captured_by else {}),
            **size,
        },
    )


def of_pending(wanted: ThumbnailRequest, err: Pending, public_url: str | None) -> Response:
    """Respond with the state of a picture that is being captured."""
    state = {
        "state": "pending",
        "url": wanted.target.url,
        "picture": _address(public_url),
        "retry_after": err.retry_after,
        "code": err.code,
        "message": err.detail,
    }
    return _respond(err.status, state, {"Retry-After": str(err.retry_after)})


def _address(public_url: str | None) -> str:
    query: str = request.environ["QUERY_STRING"]
    # Elsewhere, the query may be that of the page.
    if request.path == "/thumb" or request.path.startswith("/card/"):
        query = (_NOT_SIGNED if _SIGNED.search(query) else _OF_ONE_REQUEST).sub("", query).lstrip("&")
    path = raw_path(request.environ)
    return absolute_url(f"{path}?{query}" if query else path, public_url)


def _respond(status: int, state: Mapping[str, object], headers: Mapping[str, str] | None = None) -> Response:
    response = Response(json.dumps(state) + "\n", status, content_type=JSON)
    response.headers.update(SAFE_HEADERS | {"Cache-Control": "no-store", "Vary": "Accept"} | dict(headers or {}))
    return response
