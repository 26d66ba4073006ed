"""Which origins' scripts and pages may use an answer: https://fetch.spec.whatwg.org/#http-cors-protocol.

Scripts of `CORS_ORIGINS` may call the service. Pictures are for every page: they are public, and no request for one carries
credentials. Where access is restricted, they are for `CORS_ORIGINS` alone.
"""

from collections.abc import Collection, Mapping
from types import MappingProxyType

from flask import Blueprint, Response, request
from flask_cors import CORS

from config import Settings
from errors import ForeignOrigin
from options import NOTE_HEADER, STATUS_HEADER
from web.http.pictures import CAPTURED_BY

_SENT = [
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "If-Match",
    "If-None-Match",
    "Prefer",
    "X-API-Key",
    "X-Request-ID",
]
_READ = [
    "ETag",
    "Location",
    "Preference-Applied",
    "RateLimit-Limit",
    "RateLimit-Remaining",
    "RateLimit-Reset",
    "Retry-After",
    "X-Cache",
    CAPTURED_BY,
    "X-Edge-Cache",
    "X-Error-Code",
    NOTE_HEADER,
    STATUS_HEADER,
    "X-Request-ID",
    "X-Thumb-State",
]
_NOTHING: Mapping[str, str] = MappingProxyType({})
_FOREIGN = "pages of other web sites must not change the catalogue; CORS_ORIGINS names those that may"
EXPOSED = "PRIVATE_TARGETS is set, so scripts of any web site can read pictures of internal pages; set CORS_ORIGINS"


def open_to_all(settings: Settings) -> bool:
    """Return whether pages of every origin may read pictures: whether nothing restricts access."""
    return not (settings.api_keys or settings.signing_keys or settings.cors_origins)


class Sharing:
    """Says by which headers a picture may be used by pages of other origins. The headers are made once."""

    def __init__(self, settings: Settings) -> None:
        self._by_origin = {origin: _readable_by(origin) for origin in settings.cors_origins}
        everywhere = _readable_by("*") | {"Cross-Origin-Resource-Policy": "cross-origin"}
        self._others = everywhere if open_to_all(settings) else _NOTHING
        # An <img> names no origin. Its page may read whether the picture was pending, by Server-Timing.
        timing = {"Timing-Allow-Origin": ", ".join(settings.cors_origins)} if settings.cors_origins else _NOTHING
        self._nameless = self._others or timing
        self.varies = bool(settings.cors_origins)  # then the answer needs `Vary: Origin`, whoever asks

    def headers(self, origin: str | None) -> Mapping[str, str]:
        """Return the headers of a picture for a page of `origin`, None for a request that names none."""
        return self._by_origin.get(origin, self._others) if origin else self._nameless


def _readable_by(origin: str) -> dict[str, str]:
    return {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Expose-Headers": ", ".join(_READ),
        "Timing-Allow-Origin": origin,
    }


def share_pictures(views: Blueprint, sharing: Sharing, *, lists: Collection[str] = ()) -> None:
    """Let pages of other origins use what the GETs of `views` respond, errors and placeholders too.

    Not what those of the endpoints `lists` respond, which are no pictures: they name pages that somebody keeps.
    Call it before `allow_origins`, whose headers it replaces.
    """

    @views.after_request
    def share(response: Response) -> Response:
        if request.method in ("GET", "HEAD") and request.endpoint not in lists:  # a POST may hold private options
            response.headers.update(dict(sharing.headers(request.headers.get("Origin"))))
        return response


def refuse_foreign_writes(views: Blueprint, origins: Collection[str] = (), reason: str = _FOREIGN) -> None:
    """Refuse what pages of other origins than `origins` send to `views` to change something, for a public `reason`.

    A browser sends a form or a plain text anywhere, and it may be on the machine or in the network that may use the service
    without a key. No page can send a key, unless it knows one and CORS allows it. Every POST of a browser names its origin.
    """

    @views.before_request
    def refuse() -> None:
        keyed = "Authorization" in request.headers or "X-API-Key" in request.headers
        if request.method in ("GET", "HEAD", "OPTIONS") or keyed:
            return
        origin = request.headers.get("Origin")
        if origin in (None, request.host_url.rstrip("/"), *origins):
            return
        if (
            request.headers.get("Sec-Fetch-Site") != "same-origin"
        ):  # a proxy may show us another host than the browser's
            raise ForeignOrigin(reason)


def allow_origins(views: Blueprint, origins: tuple[str, ...]) -> None:
    """Let scripts of `origins` call `views` from a browser. Without origins, no CORS header is sent."""
    if not origins:
        return

    @views.after_request
    def vary_by_origin(response: Response) -> Response:
        # For strangers too: a cache that keeps their answer must not give it to an allowed origin.
        response.vary.add("Origin")
        return response

    CORS(
        views,
        origins=list(origins),
        methods=["GET", "HEAD", "POST", "PATCH", "PUT", "DELETE"],
        allow_headers=_SENT,
        expose_headers=_READ,
        max_age=600,
        always_send=False,
        vary_header=False,
    )
