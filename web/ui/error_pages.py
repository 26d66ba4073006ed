"""Errors as pages for people: what happened, what still works, and what to do next."""

from dataclasses import dataclass
from http import HTTPStatus

import structlog
from flask import Blueprint, Flask, Response, request
from werkzeug.exceptions import HTTPException, NotFound

from errors import INTERNAL_ERROR, ThumbnailError
from web.http.errors import respond_to_http
from web.http.request_log import note_error, note_http_error
from web.ui.pages import page

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Words:
    """What a page says about an error. `again` says that a later try may work."""

    title: str
    text: str
    again: bool = False


_BY_STATUS = {
    400: Words("This request could not be read", "A value in the address or form is not one that this page knows."),
    403: Words("This page is not public", "Log in to see it."),
    404: Words(
        "Nothing is here", "No page has this address. It may have been removed, or the address may be incomplete."
    ),
    405: Words("This page cannot do that", "Go back and use the form on the page."),
    413: Words("This is too large", "Send less at once."),
    429: Words(
        "Too many requests", "The limit for this address is reached. Wait a minute, then try again.", again=True
    ),
    500: Words(
        "Something went wrong here", "The service failed, not you. If it happens again, report the number below."
    ),
    503: Words("Not available at the moment", "Try again in a few seconds.", again=True),
}
_BY_CODE = {
    "database_unavailable": Words(
        "The catalogue cannot be reached",
        "The database of sites does not answer. Pictures are still served; this page works again as soon as it does.",
        again=True,
    ),
}


def install(app: Flask) -> None:
    """Show a page to a person who follows a link to nowhere. Programs get a problem as before."""

    def respond_to_unknown_path(err: HTTPException) -> Response:
        by_person = request.blueprint is None and "text/html" in request.headers.get("Accept", "")
        return _of_http(err) if by_person else respond_to_http(err)

    app.register_error_handler(NotFound, respond_to_unknown_path)


def show_errors(views: Blueprint) -> None:
    """Respond to the errors of `views` with pages."""
    views.register_error_handler(ThumbnailError, _of_ours)
    views.register_error_handler(HTTPException, _of_http)
    for status in _BY_STATUS:  # the application's handlers of a status would precede those of a class
        views.register_error_handler(status, _of_http)
    views.register_error_handler(Exception, _of_unexpected)


def _of_ours(err: ThumbnailError) -> Response:
    note_error(err)
    words = _BY_CODE.get(err.code) or Words(err.title, f"{err.detail[:1].upper()}{err.detail[1:]}.", err.retryable)
    response = _show(err.status, err.code, words)
    if err.retry_after is not None:
        response.headers["Retry-After"] = str(err.retry_after)
    return response


def _of_http(err: HTTPException) -> Response:
    status = err.code or 500
    code = HTTPStatus(status).phrase.lower().replace(" ", "_")
    note_http_error(status, code)
    response = _show(status, code, _BY_STATUS.get(status) or Words(HTTPStatus(status).phrase, "Go back and try again."))
    response.headers.update({name: value for name, value in err.get_headers() if name in ("Allow", "Retry-After")})
    return response


def _of_unexpected(err: Exception) -> Response:
    _log.exception("unexpected_error", error=type(err).__name__)
    note_error(ThumbnailError(INTERNAL_ERROR))
    return _show(500, ThumbnailError.code, _BY_STATUS[500])


def _show(status: int, code: str, words: Words) -> Response:
    response = page("error.html", status, words=words, code=code)
    response.headers["Cache-Control"] = "no-store"
    return response
