"""The pictures of sites, and how they looked before: `/sites/{id}/image`, `/sites/{id}/versions`, `/sites/{id}/diff`."""

from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import urlsplit

from flask import Blueprint, Response, g, jsonify, request

import images
from errors import InvalidOption, KeyRequired, Pending
from images.placeholder import State
from model import Picture
from options import either
from services import Services
from sites import Difference, Site, SiteImage, describe_site, describe_version, write_feed
from thumbnails import CacheState
from urls import read_query
from web.api.site_query import read_number
from web.http.addresses import base_url
from web.http.bodies import json_body
from web.http.budgets import Budgets
from web.http.cache_tags import note_site
from web.http.callers import Caller, identify_caller, identify_keeper
from web.http.errors import prefers_image
from web.http.origins import Sharing, allow_origins, refuse_foreign_writes, share_pictures
from web.http.pictures import SAFE_HEADERS, picture_headers, picture_response, preferred_format
from web.http.placeholders import ask_again_in, hinted_theme, placeholder
from web.http.request_log import log_facts
from web.http.revisions import expected_revision, tag_revision
from web.http.site_images import SiteImages, are_open, served_image

NEUTRAL_SIZE = 640, 360  # of the picture of a site that has none, unless the caller names a size
_SECONDS = 2  # after which a page may ask again for the picture of a site that is pending
LARGEST_UPLOAD = 8 * 2**20
_NUMBER = 2**31 - 1
_MOST_TAGS, _LONGEST_TAG = 20, 40
_LISTS = ("sites.feed", "sites.versions", "sites.version")  # endpoints


def blueprint(services: Services, budgets: Budgets) -> Blueprint:
    views = Blueprint("sites", __name__)
    share_pictures(views, Sharing(services.settings), lists=_LISTS)
    allow_origins(views, services.settings.cors_origins)
    refuse_foreign_writes(views, services.settings.cors_origins)
    _add_views_of_pictures(views, services, budgets)
    _add_views_of_versions(views, services, budgets)
    _add_views_of_choice(views, services)
    return views


def _add_views_of_pictures(views: Blueprint, services: Services, budgets: Budgets) -> None:
    reader = SiteImages(services)

    @views.get("/sites/<int:id_>/image")
    def image(id_: int) -> Response:
        return respond_with_picture(id_)

    @views.get("/sites/<int:id_>/versions/<int:number>/image")
    def version_image(id_: int, number: int) -> Response:
        return respond_with_picture(id_, number)

    def respond_with_picture(id_: int, number: int | None = None) -> Response:
        caller = _require_viewer(services)
        accepted = preferred_format(request.headers.get("Accept", ""))
        wanted = reader.read(id_, number, request.query_string, accepted)
        known = services.site_pictures.hit(wanted)
        state = CacheState.HIT if known else CacheState.MISS
        log_facts(site=id_, cache=state)
        note_site(id_)
        picture = known or services.site_pictures.get(wanted, budgets.charge_of(caller.name, caller.own_limit))
        if number is None:
            services.site_views.note(id_)
        if picture is None:
            return _neutral(wanted, services.catalogue.get(id_))
        served = served_image(wanted, picture, state, private=not reader.open_to_all)
        return picture_response(picture, picture_headers(served, wanted.request.delivery))


def _add_views_of_versions(views: Blueprint, services: Services, budgets: Budgets) -> None:
    history = services.history

    @views.get("/sites/feed.atom")
    def feed() -> Response:
        _require_viewer(services)
        if not (services.settings.gallery_public or g.get("admin")):
            identify_keeper(services.access)  # it names sites, as the list of them does
        pairs = read_query(request.query_string)
        for name, _ in pairs:
            if name != "tag":
                raise InvalidOption("is not an option; choose from tag", field=name[:40])
        tags = [tag.lower() for _, tag in pairs]
        if len(tags) > _MOST_TAGS or any(len(tag) > _LONGEST_TAG or not tag.isprintable() for tag in tags):
            raise InvalidOption(f"must be at most {_MOST_TAGS} tags of {_LONGEST_TAG} characters", field="tag")
        body = write_feed(history.changes(tags), tags, _here(services))
        return _private(Response(body, content_type="application/atom+xml; charset=utf-8"))

    @views.get("/sites/<int:id_>/versions")
    def versions(id_: int) -> Response:
        identify_keeper(services.access)
        asked = _read_query("cursor", "limit")
        limit = read_number("limit", 1, 100)(asked.get("limit", "50"))
        before = read_number("cursor", 1, _NUMBER)(asked["cursor"]) if "cursor" in asked else None
        found = history.versions(id_, before, limit)
        more = len(found) == limit and found[-1].number > 1
        here = _here(services)
        return _private(
            jsonify(
                versions=[describe_version(version, here) for version in found],
                next=str(found[-1].number) if more else None,
            )
        )

    @views.get("/sites/<int:id_>/versions/<int:number>")
    def version(id_: int, number: int) -> Response:
        identify_keeper(services.access)
        return _private(jsonify(describe_version(history.version(id_, number), _here(services))))

    @views.get("/sites/<int:id_>/diff")
    def diff(id_: int) -> Response:
        asked = _read_query("from", "to", "format")
        drawn = _wants_drawing(asked.get("format"))
        caller = _require_viewer(services) if drawn else identify_keeper(services.access)
        old, new = (_read_version(asked, name) for name in ("from", "to"))
        budgets.charge_of(caller.name, caller.own_limit).rendition()  # it costs as much
        found = history.difference(id_, old, new)
        response = _drawing(found) if drawn else _described(id_, old, new, found)
        response.vary.add("Accept")
        return _private(response)

    def _described(id_: int, old: int, new: int, found: Difference) -> Response:
        here = _here(services)
        return jsonify(
            **{name: describe_version(history.version(id_, each), here) for name, each in (("from", old), ("to", new))},
            change=found.share,
            region=found.region and found.region._asdict(),
            image=f"{here}/sites/{id_}/diff?from={old}&to={new}&format=png",
        )


def _add_views_of_choice(views: Blueprint, services: Services) -> None:
    """Add the views that choose the picture to show in place of the last capture."""

    @views.put("/sites/<int:id_>/picture")
    def show(id_: int) -> Response:
        identify_keeper(services.access)
        if request.is_json:
            return respond_with(services.history.pin(id_, _read_pin(json_body()), expected_revision()))
        request.max_content_length = LARGEST_UPLOAD
        picture = read_upload(services, request.get_data())
        return respond_with(services.history.upload(id_, picture, expected_revision()))

    @views.delete("/sites/<int:id_>/picture")
    def show_last_capture(id_: int) -> Response:
        identify_keeper(services.access)
        return respond_with(services.history.pin(id_, None, expected_revision()))

    def respond_with(site: Site) -> Response:
        response = jsonify(describe_site(site, _here(services)))
        response.headers["Cache-Control"] = "no-store"
        return tag_revision(response, site.revision)


def _require_viewer(services: Services) -> Caller:
    """Identify the caller, who may see pictures of sites. Raises KeyRequired."""
    caller = identify_caller(services.access)
    if not (are_open(services.settings) or caller.key or g.get("admin")):
        raise KeyRequired("pictures of sites need an API key here; GALLERY_PUBLIC=true shows them to everybody")
    return caller


def _neutral(wanted: SiteImage, site: Site) -> Response:
    """Respond with the picture of a site that has none yet. Its page loads as with any other, so the status is 200."""
    width, height = wanted.request.rendition.w, wanted.request.rendition.h
    if width is None and height is None:
        width, height = NEUTRAL_SIZE
    ratio = NEUTRAL_SIZE[0] / NEUTRAL_SIZE[1]
    size = width or round((height or 0) * ratio), height or round((width or 0) / ratio)
    host = urlsplit(site.url).netloc
    log_facts(host=host)
    state: State = "error" if site.failure else "pending"
    code = site.failure.code if site.failure else Pending.code
    body, content_type = placeholder(size, state, code=code, host=host, theme=hinted_theme())
    response = Response(body, content_type=content_type)
    response.headers.update(SAFE_HEADERS | {"Cache-Control": "no-store", "X-Thumb-State": state})
    response.headers.update({"X-Error-Code": code} if site.failure else ask_again_in(_SECONDS))
    return response


def _drawing(found: Difference) -> Response:
    response = Response(found.picture, content_type="image/png")
    response.headers.update(SAFE_HEADERS)
    return response


def read_upload(services: Services, body: bytes) -> Picture:
    """Decode a picture that a caller sends. Raises InvalidOption."""
    try:
        identity = services.cpu.run(lambda: images.identify(body), pixels=images.pixels_decoding(body))
    except images.TooManyPixels as err:
        raise InvalidOption(f"must have at most {err.most} pixels in this format", field="picture") from None
    except images.NotAPicture:
        identity = None
    if identity is None or identity.content_type == "application/pdf":
        raise InvalidOption(
            'must be a PNG, JPEG, WebP or AVIF picture, or JSON such as {"version": 3}', field="picture"
        )
    return Picture(body, identity.content_type, identity.width, identity.height, datetime.now(UTC))


def _read_pin(body: object) -> int:
    if not isinstance(body, Mapping) or body.keys() != {"version"}:
        raise InvalidOption('must be a JSON object such as {"version": 3}')
    number = body["version"]
    if type(number) is not int or not 0 < number <= _NUMBER:
        raise InvalidOption("must be the number of a version", field="version")
    return number


def _wants_drawing(format_: str | None) -> bool:
    if format_ not in (None, "json", "png"):
        raise InvalidOption(f"must be {either(('json', 'png'))}", field="format")
    return prefers_image() if format_ is None else format_ == "png"


def _read_version(asked: Mapping[str, str], name: str) -> int:
    if name not in asked:
        raise InvalidOption("is missing; set it to the number of a version", field=name)
    return read_number(name, 1, _NUMBER)(asked[name])


def _read_query(*known: str) -> dict[str, str]:
    asked: dict[str, str] = {}
    for name, value in read_query(request.query_string):
        if name not in known:
            raise InvalidOption(f"is not an option; choose from {', '.join(known)}", field=name[:40])
        if name in asked:
            raise InvalidOption("is set more than once; send it once", field=name)
        asked[name] = value
    return asked


def _private(response: Response) -> Response:
    response.headers["Cache-Control"] = "private, no-cache"
    return response


def _here(services: Services) -> str:
    return services.settings.public_url or base_url()
