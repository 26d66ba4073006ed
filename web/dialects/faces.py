"""How errors look to the clients of other services. Pending is one of them."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from flask import Response, current_app

from errors import ThumbnailError
from web.http.addresses import path_of
from web.http.errors import prefers_image, respond_plainly, respond_with_placeholder
from web.http.pictures import SAFE_HEADERS


@dataclass(frozen=True, slots=True)
class Said:
    """An error in the words of a service: `code` is its own, `status` HTTP's."""

    code: str
    status: int
    text: str
    error: ThumbnailError | None = None

    @property
    def page_status(self) -> int | None:
        """The status with which the page itself answered, if that is the error."""
        return getattr(self.error, "page_status", None)


@dataclass(frozen=True, slots=True)
class Name:
    """What a service calls some errors, and with which status it sends them; None for the status that they have here."""

    kinds: tuple[type[ThumbnailError], ...]
    code: str
    status: int | None = None


@dataclass(frozen=True, slots=True)
class JSONFace:
    """Errors as JSON: `names` are the service's own, of which the first match counts, and `body` writes the object.

    An `<img>` gets a placeholder instead: it cannot show an object.
    """

    names: tuple[Name, ...]
    body: Callable[[Said], Mapping[str, object]]
    other: str = ""  # the code of all other errors; "" for our own
    headers: Callable[[Said], Mapping[str, str]] = lambda _said: {}
    of_status: Mapping[int, str] = field(default_factory=dict)  # codes of errors of HTTP itself

    def of_error(self, err: ThumbnailError, headers: Mapping[str, str]) -> Response:
        if prefers_image():
            response = respond_plainly(err)
            # With 202, a client of such a service would take the placeholder for the picture, and keep it.
            response.status_code = 504 if err.status == 202 else err.status
            return response
        named = next((name for name in self.names if isinstance(err, name.kinds)), None)
        code = named.code if named else self.other or err.code
        status = (named and named.status) or (504 if err.status == 202 else err.status)
        return self._respond(Said(code, status, err.detail, err), headers)

    def of_http(self, status: int, code: str, detail: str) -> Response:
        return self._respond(Said(self.of_status.get(status, code), status, detail), {})

    def _respond(self, said: Said, headers: Mapping[str, str]) -> Response:
        body = json.dumps(self.body(said), ensure_ascii=False) + "\n"
        response = Response(body, said.status, content_type="application/json; charset=utf-8")
        response.headers.update(SAFE_HEADERS | {"Cache-Control": "no-store", "Vary": "Accept"})
        response.headers.update({**headers, **self.headers(said)})
        return response


@dataclass(frozen=True, slots=True)
class PictureFace:
    """Errors as `/thumb` shows them, but for those `shown` by a service with a picture and status 200.

    Its clients know no other sign that the picture is not there yet.
    """

    shown: tuple[type[ThumbnailError], ...]

    def of_error(self, err: ThumbnailError, headers: Mapping[str, str]) -> Response:
        if isinstance(err, self.shown):
            return respond_with_placeholder(err, 200)
        response = respond_with_placeholder(err, err.status)
        response.headers.update(dict(headers))
        return response

    def of_http(self, status: int, _code: str, detail: str) -> Response:
        return respond_with_text(status, detail)


def respond_with_text(status: int, text: str, headers: Mapping[str, str] | None = None) -> Response:
    response = Response(text + "\n", status, content_type="text/plain; charset=utf-8")
    response.headers.update(SAFE_HEADERS | {"Cache-Control": "no-store"} | dict(headers or {}))
    return response


def error_headers(err: ThumbnailError) -> dict[str, str]:
    """Say in headers what an answer in another service's form does not say."""
    return {"X-Thumb-State": "pending" if err.status == 202 else "error"} | (
        {} if err.status == 202 else {"X-Error-Code": err.code}
    )


def own_path(path: str) -> str:
    """Return the address of `path` below the path at which callers reach the service."""
    return path_of(path, current_app.extensions["services"].settings.public_url)
