"""`/docs`: the OpenAPI document as a page that sends requests. Swagger UI shows it, from its installed package."""

import gzip
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import flask_swagger_ui
from flask import Blueprint, Response, abort, request

from services import Services
from web.ui.assets import Asset, Assets
from web.ui.error_pages import show_errors
from web.ui.pages import CONTENT_SECURITY_POLICY, page

_FOLDER = Path(flask_swagger_ui.__file__).parent / "dist"
_FILES = ("swagger-ui-bundle.js", "swagger-ui.css")
# Its style sheet draws icons from data: URLs, and a picture that a request got is shown from a blob: URL.
_POLICY = CONTENT_SECURITY_POLICY.replace("img-src 'self'", "img-src 'self' blob: data:")


@dataclass(frozen=True, slots=True)
class Packed:
    """The files of Swagger UI, and each of them compressed: they have two megabytes, and nearly half of one."""

    assets: Assets
    bodies: dict[str, bytes]


def blueprint(services: Services) -> Blueprint:
    views = Blueprint("docs", __name__)
    show_errors(views)
    packed = lru_cache(maxsize=1)(lambda: services.cpu.run(_pack, pixels=0))

    @views.get("/docs")
    def show() -> Response:
        files = {name: packed().assets.versioned(name) for name in _FILES}
        response = page("docs.html", files=files)
        response.headers["Content-Security-Policy"] = _POLICY
        return response

    @views.get("/docs/<name>")
    def file(name: str) -> Response:
        found = packed().assets.find(name)
        if found is None:
            abort(404)
        asset, kept = found
        return _respond(asset, packed().bodies[asset.name], kept)

    return views


def _pack() -> Packed:
    assets = Assets(_FOLDER, _FILES)
    return Packed(assets, {each.name: gzip.compress(each.body, 6, mtime=0) for each in assets})


def _respond(asset: Asset, compressed: bytes, kept: str) -> Response:
    packs = "gzip" in request.accept_encodings.values()
    response = Response(compressed if packs else asset.body, content_type=asset.content_type)
    if packs:
        response.headers["Content-Encoding"] = "gzip"
    response.headers.update({"Cache-Control": kept, "Vary": "Accept-Encoding", "X-Content-Type-Options": "nosniff"})
    response.set_etag(f"{asset.versioned}{'.gz' if packs else ''}")
    response.make_conditional(request)
    return response
