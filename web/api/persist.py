"""`POST /persist`: JSON in, a permanent URL out. Also `GET /media/…`, if a local folder is the storage."""

from collections.abc import Callable

from flask import Blueprint, Response, jsonify

from model import ThumbnailRequest
from options import Document
from services import Services
from storage import CACHE_FOREVER
from storage_backends import LocalStorage
from thumbnails import Ask, CacheState, Persisted
from web.http.addresses import absolute_url
from web.http.bodies import json_body
from web.http.budgets import Budgets
from web.http.callers import Caller, identify_caller
from web.http.idempotency import current_attempt, respond_once
from web.http.origins import Sharing, allow_origins, share_pictures
from web.http.pictures import SAFE_HEADERS, conditional
from web.http.request_log import log_facts, request_id


def blueprint(services: Services, budgets: Budgets) -> Blueprint:
    views = Blueprint("persist", __name__)
    share_pictures(views, Sharing(services.settings))
    allow_origins(views, services.settings.cors_origins)

    @views.post("/persist")
    def persist() -> Response:
        body = json_body()
        wanted = services.validator.parse_json(body)
        log_facts(host=wanted.target.netloc)
        caller = identify_caller(services.access, needs_key="/persist")
        services.access.require_target(wanted.target)
        services.access.require_size(wanted.rendition)
        attempt = current_attempt(caller, body)
        return respond_once(
            services.idempotency,
            attempt,
            lambda: store_picture(services, budgets, wanted.owned_by(caller.name), caller),
        )

    if isinstance(services.storage, LocalStorage):
        views.get("/media/thumbs/<name>")(_media(services.storage))
    return views


def store_picture(
    services: Services, budgets: Budgets, wanted: ThumbnailRequest, caller: Caller, document: Document | None = None
) -> Response:
    """Store the picture of `wanted`, which may show a `document`, and respond with its permanent URL. Charges `caller`."""
    limits = budgets.permanent_pictures.charge(caller.name)
    charge = budgets.charge_of(caller.name, caller.own_limit)
    persisted = services.thumbnailer.persist(Ask(wanted, charge, request_id(), document))
    log_facts(cache=persisted.cache)
    described = _describe(persisted, absolute_url(persisted.stored.url, services.settings.public_url))
    response = jsonify(described | ({"private_content": True} if wanted.private else {}))
    response.status_code = 201 if persisted.stored.created else 200
    response.headers.update(limits | persisted.picture.notes.headers)
    return response


def _media(storage: LocalStorage) -> Callable[[str], Response]:
    def media(name: str) -> Response:
        body, content_type = storage.read(f"thumbs/{name}")
        response = Response(body, content_type=content_type)
        response.headers.update(SAFE_HEADERS | {"Cache-Control": CACHE_FOREVER})
        response.set_etag(name.partition(".")[0])  # the name is the hash of the bytes
        return conditional(response)

    return media


def _describe(persisted: Persisted, url: str) -> dict[str, object]:
    picture, stored = persisted.picture, persisted.stored
    return {
        "url": url,
        "cached": persisted.cache in (CacheState.HIT, CacheState.STALE),
        "key": stored.key,
        "content_type": picture.content_type,
        "width": picture.width,
        "height": picture.height,
        "bytes": len(picture.body),
        "sha256": stored.sha256,
        "captured_at": picture.captured_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        **({"captured_by": picture.captured_by} if picture.captured_by else {}),
        **({"page_status": picture.notes.page_status} if picture.notes.page_status else {}),
    }
