"""Eleventy's screenshots: `/<encoded url>/<size>/<aspect>/<zoom>/_<options>/`. https://github.com/11ty/api-screenshot

They are at the root of a host. `web.dialects.roots` gives them a prefix.
"""

import re
from collections.abc import Mapping

from flask import Response, request

from errors import ThumbnailError
from web.dialects.dialect import InboundDialect, Spoken, Values
from web.dialects.faces import error_headers
from web.dialects.rules import number_in
from web.dialects.words import target_in
from web.http.pictures import SAFE_HEADERS
from web.http.thumb_paths import current_reader

PREFIX = "/11ty/"
_SIZES: Mapping[tuple[str, str], tuple[int, int]] = {
    ("small", "1:1"): (375, 375),
    ("small", "9:16"): (375, 667),
    ("medium", "1:1"): (650, 650),
    ("medium", "9:16"): (650, 1156),
    ("large", "1:1"): (1024, 1024),
}
_CARD = 1200, 630
_OPENGRAPH = {"standard": _CARD, "bigger": (857, 450), "smaller": (1680, 882)}
_BIGGER, _SMALLER = 1.4, 1 / 1.4
_WORDS = {
    "size": ("small", "medium", "large", "opengraph"),
    "aspect": ("1:1", "9:16"),
    "zoom": ("standard", "bigger", "smaller"),
}
_MOMENTS = ("domcontentloaded", "load", "networkidle", "networkidle")
_LATEST = 8  # seconds; the service itself waits for eight and a half unless it is told otherwise
_AN_HOUR = "public, max-age=3600"


def _address(path: str, _query: str) -> Spoken | None:
    parts = [part for part in path.removeprefix(PREFIX).split("/") if part]
    words: dict[str, str] = {}
    while len(parts) > 1 and (_take(parts[-1], words) or _is_whole(parts[0])):
        parts.pop()
    return Spoken(target_in("/".join(parts)), words)


def _is_whole(part: str) -> bool:
    """Return whether a part is a whole URL, percent-encoded: what follows is then none of it, even if it says nothing."""
    return "://" in target_in(part)


def _take(part: str, words: dict[str, str]) -> bool:
    """Read the last part of an address; False if it belongs to the URL."""
    part = target_in(part)
    if part.startswith("_"):
        for each in part[1:].split("_"):
            name, colon, value = each.partition(":")
            if colon:  # anything else makes the address another one, and says nothing
                words[name] = value
        return True
    for name, known in _WORDS.items():
        if part in known:
            words[name] = part
            return True
    return False


def _window(size: str, aspect: str) -> tuple[int, int]:
    return _SIZES.get((size, aspect)) or _SIZES.get((size, "1:1"), _SIZES["small", "1:1"])


def _finish(values: Values, words: Mapping[str, str]) -> None:
    zoom, size = words.get("zoom", "standard"), words.get("size", "small")
    is_card = size == "opengraph"
    width, height = _OPENGRAPH.get(zoom, _CARD) if is_card else _window(size, words.get("aspect", "1:1"))
    values |= {"width": width, "height": height}
    if zoom == "bigger":
        values["scale"] = _BIGGER
    elif zoom == "smaller":  # no browser is told of less than one pixel for one of CSS
        values["w"], values["h"] = _CARD if is_card else (round(width * _SMALLER), round(height * _SMALLER))
    moment = number_in(words.get("wait", ""))
    if moment is not None:
        values["wait_until"] = _MOMENTS[round(max(0, min(moment, 3)))]
    latest = number_in(words.get("timeout", ""))
    values["wait"] = _LATEST if latest is None else round(max(3, min(latest, 9)))


class DrawnErrors:
    """Errors as a drawing with status 200, since a browser may show nothing with another one."""

    def of_error(self, err: ThumbnailError, headers: Mapping[str, str]) -> Response:
        lasts = not err.retryable and err.status != 202
        return _draw(err.detail, {**headers, **error_headers(err), **({"Cache-Control": _AN_HOUR} if lasts else {})})

    def of_http(self, status: int, _code: str, detail: str) -> Response:
        response = _draw(detail, {})
        response.status_code = status
        return response


def _draw(text: str, headers: Mapping[str, str]) -> Response:
    reader = current_reader()
    written = reader.written(request.environ) if reader else {}
    width, height = (number_in(written.get(side, "")) or 375 for side in ("width", "height"))
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" viewBox="0 0 16 16">'
        '<rect width="16" height="16" fill="#f1f1f1"/><path d="M5 5l6 6M11 5l-6 6" stroke="#c4c4c4"/></svg>\n'
    )
    response = Response(svg, content_type="image/svg+xml")
    message = {"X-Error-Message": text.encode("ascii", "replace").decode()}
    response.headers.update(SAFE_HEADERS | {"Cache-Control": "no-store"} | message | dict(headers))
    return response


ELEVENTY = InboundDialect(
    name="11ty",
    paths=re.compile(rf"{PREFIX}.+", re.DOTALL),
    routes=(f"{PREFIX}<path:target>",),
    address=_address,
    table={},
    defaults={"format": "jpeg", "quality": 80},
    finish=_finish,
    face=DrawnErrors(),
)
