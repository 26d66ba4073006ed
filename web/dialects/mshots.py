"""mShots, the service of WordPress.com: `/mshots/v1/<url>?w=&h=`. https://github.com/Automattic/mShots"""

import re
from collections.abc import Mapping

from flask import Response

from errors import BadRequest, CaptureError, ForbiddenHost, Pending, ThumbnailError
from options import Clip
from web.dialects.dialect import AnswerKind, InboundDialect, Spoken, Values
from web.dialects.faces import error_headers, own_path, respond_with_text
from web.dialects.rules import Rule, choice, number, number_in, size
from web.dialects.words import target_in, words_in
from web.http.errors import respond_with_placeholder

_PREFIX = "/mshots/v1/"
WAITING = f"{_PREFIX}default"
_WINDOW = 1280, 960
_LONGEST = 3072

_TABLE: Mapping[str, Rule] = {
    "vpw": number("width", 320, _LONGEST),
    "vph": number("height", 320, _LONGEST),
    "screen_height": number("max_height", 1, 3600),
    "scale": choice("scale", {"1": 1.0, "2": 2.0}),
    "w": size("w", 20, _LONGEST),
    "h": size("h", 20, _LONGEST),
    "format": choice("format", {"jpeg": "jpeg", "png": "png"}),
    "requeue": choice("fresh", {"true": True}),
}
_NOT_YET = {
    "Cache-Control": "no-cache, no-store, must-revalidate, max-age=0",
    "Expires": "Wed, 11 Jan 1984 05:00:00 GMT",
    "Pragma": "no-cache",
}


def _address(path: str, query: str) -> Spoken | None:
    rest = path.removeprefix(_PREFIX.rstrip("/")).removeprefix("/")
    if rest == "default":
        return Spoken("", wish=AnswerKind.WAITING)
    target, mark, options = query.rpartition("?")  # what stands before a second `?` belongs to the target
    return Spoken(target_in(rest, target if mark else ""), words_in(options))


def _finish(values: Values, words: Mapping[str, str]) -> None:
    """Make no picture larger than the captured page, and a taller one than the window if `screen_height` says so."""
    width, height, scale = values["width"], values["height"], values.get("scale", 1.0)
    if "max_height" in values:
        values["full_page"] = True
        height = values["max_height"]
    screen = number_in(words.get("screen_width", ""))
    if screen and screen < width:
        width = max(round(screen), 20)
        values["clip"] = Clip(0, 0, width, height)
    if "w" in values or "h" in values:
        values.setdefault("w", round(width * scale))  # a height alone cuts the page, and does not reduce it
        values["quality"] = 95
    for side, most in (("w", width * scale), ("h", height * scale)):
        if side in values:
            values[side] = min(values[side], round(most), _LONGEST)


class MShotsErrors:
    """A picture that is not there yet redirects to a GIF, by which its clients know that they must ask again."""

    def of_error(self, err: ThumbnailError, headers: Mapping[str, str]) -> Response:
        if isinstance(err, BadRequest | ForbiddenHost):
            return respond_with_text(404, "HTTP/1.1 404 Not Found", error_headers(err))
        if (
            isinstance(err, CaptureError) and not err.retryable
        ):  # the service itself shows a picture for these, with 200
            return respond_with_placeholder(err, 200)
        if isinstance(err, CaptureError | Pending):
            response = Response(status=307, content_type="text/html; charset=UTF-8")
            response.headers.update(_NOT_YET | {"Location": own_path(WAITING)} | error_headers(err))
            return response
        return respond_with_text(err.status, err.detail, error_headers(err) | dict(headers))

    def of_http(self, status: int, _code: str, detail: str) -> Response:
        return respond_with_text(status, detail)


MSHOTS = InboundDialect(
    name="mshots",
    paths=re.compile(r"/mshots/v1(/.*)?", re.DOTALL),
    routes=("/mshots/v1", _PREFIX, f"{_PREFIX}<path:target>"),
    address=_address,
    table=_TABLE,
    defaults={"width": _WINDOW[0], "height": _WINDOW[1], "format": "jpeg", "quality": 90},
    finish=_finish,
    face=MShotsErrors(),
    waits=0,
)
