"""Readers turn the address of a picture, path and query, into a ThumbnailRequest: for the fast path and for Flask alike.

`/thumb` has one, and so has each other form of address. All of them share the cache, the limits and the log.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol
from urllib.parse import parse_qs, quote_from_bytes, unquote_to_bytes

from flask import Response, request

import path_form
from errors import ThumbnailError
from model import ThumbnailRequest
from services import Services
from web.http.pictures import preferred_format

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_LONGEST_REMEMBERED = 2048  # bytes, so that a stranger's long paths do not fill the memory
_ORIGIN = re.compile(r"[a-z]+://[^/?#]*", re.IGNORECASE)  # of a request for an absolute URL, as a proxy gets it
READER = "thumbnails.reader"  # in the WSGI environment: the reader whose form the path has


class Presenter(Protocol):
    """Responds to errors in the way of another service. `Pending` is one of them."""

    def of_error(self, err: ThumbnailError, headers: Mapping[str, str]) -> Response:
        """Respond with `err`. `headers` are those that any other path sends with it."""

    def of_http(self, status: int, code: str, detail: str) -> Response:
        """Respond with an error of HTTP itself, such as a method that the path does not support."""


class Reader(Protocol):
    """Reads one form of address."""

    @property
    def name(self) -> str:
        """The name of its view in the log, after `thumbs.`."""

    @property
    def rules(self) -> tuple[str, ...]:
        """Its paths, as Flask's routes."""

    @property
    def presenter(self) -> Presenter | None:
        """What responds to its errors; None for problems and placeholders, as of `/thumb`."""

    def matches(self, path: str) -> bool:
        """Return whether a decoded path has this form. Every request of the service is asked, so it must be quick."""

    def read(self, environ: "WSGIEnvironment") -> ThumbnailRequest | None:
        """Return what a GET asks for, None if it asks for no picture. It is called twice, so it remembers.

        Raises ThumbnailError.
        """

    def require_allowed(self, environ: "WSGIEnvironment", wanted: ThumbnailRequest) -> None:
        """Raise an error unless every caller may GET this picture: signature, size and target are checked."""

    def written(self, environ: "WSGIEnvironment") -> Mapping[str, str]:
        """Return the options of `/thumb` as far as they can be read: they may be wrong, and are for a placeholder."""


class ThumbReader:
    """Reads `/thumb?url=…`."""

    name = "thumb"
    rules = ("/thumb",)
    presenter = None

    def __init__(self, services: Services) -> None:
        self._validator = services.validator
        self._access = services.access

    def matches(self, path: str) -> bool:
        return path == "/thumb"

    def read(self, environ: "WSGIEnvironment") -> ThumbnailRequest:
        """Read the query. Raises InvalidOption, InvalidURL or BlockedTarget."""
        return self._validator.parse_query(_query(environ), preferred_format(environ.get("HTTP_ACCEPT", "")))

    def require_allowed(self, environ: "WSGIEnvironment", wanted: ThumbnailRequest) -> None:
        self._access.require_allowed(_query(environ), wanted)

    def written(self, environ: "WSGIEnvironment") -> Mapping[str, str]:
        return written_in(environ["QUERY_STRING"])


class PathReader:
    """Reads `/t/<options>/<page>`, as the query that it stands for."""

    name = "path"
    rules = ("/t/", "/t/<path:rest>", "/t//<path:rest>")
    presenter = None

    def __init__(self, services: Services) -> None:
        self._validator = services.validator
        self._access = services.access
        self._remembered = lru_cache(maxsize=4096)(_query_or_refusal)

    def matches(self, path: str) -> bool:
        return path.startswith(path_form.PREFIX)

    def read(self, environ: "WSGIEnvironment") -> ThumbnailRequest:
        """Read the path. Raises InvalidOption, InvalidURL or BlockedTarget."""
        return self._validator.parse_query(self._query(environ), preferred_format(environ.get("HTTP_ACCEPT", "")))

    def require_allowed(self, environ: "WSGIEnvironment", wanted: ThumbnailRequest) -> None:
        self._access.require_allowed(self._query(environ), wanted)

    def written(self, environ: "WSGIEnvironment") -> Mapping[str, str]:
        return path_form.written_in(raw_path(environ))

    def _query(self, environ: "WSGIEnvironment") -> bytes:
        path, query = raw_path(environ), environ["QUERY_STRING"]
        is_short = len(path) + len(query) <= _LONGEST_REMEMBERED
        found = (self._remembered if is_short else _query_or_refusal)(path, query)
        if isinstance(found, ThumbnailError):
            raise found.untraced()
        return found


def _query_or_refusal(path: str, query: str) -> bytes | ThumbnailError:
    try:
        return path_form.query_of(path, query)
    except ThumbnailError as err:
        return err.untraced()


def of(services: Services) -> tuple[Reader, ...]:
    """Return the readers of the service's own addresses."""
    return ThumbReader(services), PathReader(services)


def current_reader() -> Reader | None:
    """Return the reader of the current request's address, None if it is another one."""
    reader: Reader | None = request.environ.get(READER)
    return reader


def written_in(query: str) -> dict[str, str]:
    """Return the options of a query string, which may be wrong. The first of repeated ones counts."""
    try:
        return {name: values[0] for name, values in parse_qs(query, max_num_fields=100).items()}
    except ValueError:
        return {}


def raw_path(environ: "WSGIEnvironment") -> str:
    """Return the path of the current request as the caller has percent-encoded it.

    It never differs from PATH_INFO, by which Flask routes, in anything else. It is PATH_INFO, encoded again, where the
    server does not tell, or tells of another path, as one that a server in front has changed.
    """
    path: str = environ["PATH_INFO"]
    uri: str = environ.get("RAW_URI") or environ.get("REQUEST_URI", "")  # as gunicorn calls it, and as others do
    path_of_uri = uri.partition("?")[0] if uri.startswith("/") else _ORIGIN.sub("", uri, count=1).partition("?")[0]
    raw = path_of_uri.removeprefix(environ.get("SCRIPT_NAME", ""))
    if unquote_to_bytes(raw) == path.encode("latin-1"):
        return raw
    return quote_from_bytes(path.encode("latin-1"), safe="/:@!$&'()*+,;=-._~")


def _query(environ: "WSGIEnvironment") -> bytes:
    query: str = environ["QUERY_STRING"]
    return query.encode("latin-1")
