"""`/sites`: the catalogue as JSON. Pictures and history are in `site_history`, lists of other programs in `site_lists`."""

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Response, jsonify, request

from errors import InvalidOption, ThumbnailError
from services import Services
from sites import CHANGEABLE, MOST_AT_ONCE, PAUSE, Site, SiteDraft, describe_site
from web.api.site_query import read_filters
from web.http.addresses import base_url, path_of
from web.http.bodies import json_body
from web.http.budgets import Budgets
from web.http.callers import Caller, identify_caller, identify_keeper
from web.http.idempotency import current_attempt, respond_once
from web.http.origins import allow_origins, refuse_foreign_writes
from web.http.request_log import log_facts, request_id
from web.http.revisions import expected_revision, tag_revision

MAX_BODY_BYTES = 4 * 2**20  # a thousand sites with notes
_FIELDS = tuple(sorted(CHANGEABLE))


def blueprint(services: Services, budgets: Budgets) -> Blueprint:
    views = Blueprint("site_list", __name__)
    allow_origins(views, services.settings.cors_origins)
    refuse_foreign_writes(views, services.settings.cors_origins)

    @views.before_request
    def require_key() -> None:
        identify_keeper(services.access)

    @views.after_request
    def forbid_caching(response: Response) -> Response:
        response.headers.setdefault("Cache-Control", "private, no-cache" if request.method == "GET" else "no-store")
        return response

    _add_views_of_list(views, services, budgets)
    _add_views_of_site(views, services)
    return views


def _add_views_of_list(views: Blueprint, services: Services, budgets: Budgets) -> None:
    @views.get("/sites")
    def find() -> Response:
        page = services.catalogue.find(read_filters(request.query_string))
        found = [describe_site(site, _here(services)) for site in page.sites]
        return jsonify(sites=found, next=page.next, previous=page.previous, total=page.total)

    @views.post("/sites")
    def add() -> Response:
        request.max_content_length = MAX_BODY_BYTES
        body = json_body()
        caller = identify_caller(services.access)
        given, several, capture = _read_new(body)

        if several:
            # A URL is added once, so a repeated request adds nothing twice. The answer would be too large to keep.
            return add_sites(services, budgets, caller, given, capture=capture)

        def create() -> Response:
            site = add_site(services, budgets, caller, given[0], capture=capture)
            response = _respond_with(services, site, 201)
            response.headers["Location"] = path_of(f"/sites/{site.id}", services.settings.public_url)
            return response

        return respond_once(services.idempotency, current_attempt(caller, body), create)

    @views.get("/sites/tags")
    def tags() -> Response:
        return jsonify(tags=[{"tag": tag, "sites": count} for tag, count in services.catalogue.tags()])


def _add_views_of_site(views: Blueprint, services: Services) -> None:
    catalogue = services.catalogue

    @views.get("/sites/<int:id_>")
    def get(id_: int) -> Response:
        return _respond_with(services, catalogue.get(id_))

    @views.patch("/sites/<int:id_>")
    def change(id_: int) -> Response:
        body, revision = _object(json_body()), expected_revision()
        changes = services.drafts.changes(body, catalogue.get(id_).url)
        return _respond_with(services, catalogue.change(id_, changes, revision))

    @views.delete("/sites/<int:id_>")
    def remove(id_: int) -> Response:
        catalogue.remove(id_, expected_revision())
        return Response(status=204)

    @views.post("/sites/<int:id_>/capture")
    def capture(id_: int) -> Response:
        catalogue.request_capture([id_])
        response = _respond_with(services, catalogue.get(id_), 202)
        response.headers["Location"] = path_of(f"/sites/{id_}", services.settings.public_url)
        return response


def _respond_with(services: Services, site: Site, status: int = 200) -> Response:
    response = jsonify(describe_site(site, _here(services)))
    response.status_code = status
    return tag_revision(response, site.revision)


def add_site(services: Services, budgets: Budgets, caller: Caller, given: object, *, capture: bool) -> Site:
    """Add the site that a caller describes. Raises InvalidOption, InvalidURL, BlockedTarget, ForbiddenHost or SiteExists."""
    draft = services.drafts.read(_object(given))
    log_facts(host=urlsplit(draft.url).netloc)
    with budgets.sites.charged(caller.name, 1):
        return services.catalogue.add(draft, capture=capture)


def add_sites(
    services: Services, budgets: Budgets, caller: Caller, given: Sequence[object], *, capture: bool
) -> Response:
    """Add what can be added, in one transaction. Respond with a site or an error for each, which names its index."""
    read = list(_read_drafts(services, given))
    drafts = [each for each in read if isinstance(each, SiteDraft)]
    with budgets.sites.charged(caller.name, len(drafts)):
        added = iter(services.catalogue.add_many(drafts, capture=capture) if drafts else ())
    results = [each if isinstance(each, ThumbnailError) else next(added) for each in read]
    count, here = sum(isinstance(each, Site) for each in results), _here(services)
    log_facts(sites=count)
    described = [
        describe_site(each, here) if isinstance(each, Site) else {"error": _describe_error(each, index)}
        for index, each in enumerate(results)
    ]
    response = jsonify(added=count, refused=len(results) - count, sites=described)
    response.status_code = 201 if count else 200
    return response


def _here(services: Services) -> str:
    return services.settings.public_url or base_url()


def _read_new(body: object) -> tuple[Sequence[Any], bool, bool]:
    """Return the sites that a body describes, whether it may be several, and whether to capture them now."""
    given = dict(_mapping(body))
    capture = given.pop("capture", True)
    if not isinstance(capture, bool):
        raise InvalidOption("must be true or false", field="capture")
    if "sites" not in given:
        return [given], False, capture
    many = given.pop("sites")
    if given:
        raise InvalidOption("cannot be beside sites; put it into each of them", field=str(next(iter(given)))[:40])
    if not isinstance(many, list) or not 1 <= len(many) <= MOST_AT_ONCE:
        raise InvalidOption(f"must be a list of 1 to {MOST_AT_ONCE:,} sites", field="sites")
    return many, True, capture


def _read_drafts(services: Services, given: Sequence[object]) -> Iterator[SiteDraft | ThumbnailError]:
    for index, each in enumerate(given):
        if index % 20 == 0:
            time.sleep(PAUSE)  # visitors must not wait until a thousand sites are judged
        yield _draft_or_error(services, each)


def _draft_or_error(services: Services, given: object) -> SiteDraft | ThumbnailError:
    try:
        return services.drafts.read(_object(given))
    except ThumbnailError as err:
        return err.untraced()


def _describe_error(err: ThumbnailError, index: int) -> dict[str, object]:
    about = err.about(f"sites[{index}].{err.field}" if err.field else f"sites[{index}]")
    return {
        "code": err.code,
        "status": err.status,
        "detail": about.detail,
        "retryable": err.retryable,
        "request_id": request_id(),
    }


def _object(given: object) -> Mapping[str, Any]:
    """Return the fields of a site. Raises InvalidOption for what is no object, or has an unknown field."""
    found = _mapping(given)
    for name in found:
        if name not in CHANGEABLE:
            raise InvalidOption(f"is no field of a site; choose from {', '.join(_FIELDS)}", field=str(name)[:40])
    return found


def _mapping(given: object) -> Mapping[str, Any]:
    if not isinstance(given, Mapping):
        raise InvalidOption('must be a JSON object such as {"url": "https://example.com/"}')
    return given
