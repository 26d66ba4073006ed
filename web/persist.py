"""`POST /persist`: JSON in, a permanent URL out; and `GET /media/…` where a local folder is the storage."""

from collections.abc import Callable
from urllib.parse import urljoin

from flask import Blueprint, Response, jsonify, request
from werkzeug.exceptions import BadRequest

from errors import InvalidOption
from pipeline import Persisted
from ratelimit import Budget, Charge
from services import Services
from storage import CACHE_FOREVER, LocalStorage
from web.callers import admit, allow_origins
from web.pictures import SAFE_HEADERS
from web.telemetry import note, request_id


def blueprint(services: Services, captures: Budget, persists: Budget) -> Blueprint:
    views = Blueprint("persist", __name__)
    allow_origins(views, services.settings.cors_origins)

    @views.post("/persist")
    def persist() -> tuple[Response, int]:
        wanted = services.validator.parse_json(_json_body())
        note(host=wanted.host)
        caller = admit(services.access, wanted, needs_key="/persist")
        persists.charge(caller.name)
        charge = Charge(captures, caller.name, caller.own_limit)
        persisted = services.thumbnailer.persist(wanted, charge, request_id())
        note(cache="HIT" if persisted.cached else "MISS")
        url = urljoin(services.settings.public_url or request.host_url, persisted.stored.url)
        return jsonify(_describe(persisted, url)), 201 if persisted.stored.created else 200

    if isinstance(services.storage, LocalStorage):
        views.get("/media/<path:key>")(_media(services.storage))
    return views


def _json_body() -> object:
    try:
        return request.get_json()
    except (BadRequest, RecursionError):
        raise InvalidOption('the body is not JSON; send an object such as {"url": "https://example.com/"}') from None


def _media(storage: LocalStorage) -> Callable[[str], Response]:
    def media(key: str) -> Response:
        body, content_type = storage.read(key)
        response = Response(body, content_type=content_type)
        response.headers.update(SAFE_HEADERS | {"Cache-Control": CACHE_FOREVER})
        response.set_etag(key.rpartition("/")[2].partition(".")[0])  # the key is the hash of the bytes
        response.make_conditional(request)
        return response

    return media


def _describe(persisted: Persisted, url: str) -> dict[str, object]:
    picture, stored = persisted.picture, persisted.stored
    return {
        "url": url,
        "cached": persisted.cached,
        "key": stored.key,
        "content_type": picture.content_type,
        "width": picture.width,
        "height": picture.height,
        "bytes": len(picture.body),
        "sha256": stored.sha256,
        "captured_at": picture.captured_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
