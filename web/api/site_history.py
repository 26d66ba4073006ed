"""The pictures of sites, and how they looked before: `/sites/{id}/image`, `/sites/{id}/versions`."""

from flask import Blueprint, Response, g, request

from errors import KeyRequired
from images import placeholder
from services import Services
from sites import SiteImage
from thumbnails import CacheState
from web.http.budgets import Budgets
from web.http.callers import identify_caller
from web.http.origins import Sharing, allow_origins, share_pictures
from web.http.pictures import SAFE_HEADERS, picture_headers, picture_response, preferred_format
from web.http.request_log import log_facts
from web.http.site_images import SiteImages, served_image

NEUTRAL_SIZE = 640, 360  # of the picture of a site that has none, unless the caller names a size


def blueprint(services: Services, budgets: Budgets) -> Blueprint:
    views = Blueprint("sites", __name__)
    share_pictures(views, Sharing(services.settings))
    allow_origins(views, services.settings.cors_origins)
    images = SiteImages(services)

    @views.get("/sites/<int:id_>/image")
    def image(id_: int) -> Response:
        return respond_with_picture(id_)

    @views.get("/sites/<int:id_>/versions/<int:number>/image")
    def version_image(id_: int, number: int) -> Response:
        return respond_with_picture(id_, number)

    def respond_with_picture(id_: int, number: int | None = None) -> Response:
        caller = identify_caller(services.access)
        if not (images.open_to_all or caller.key or g.get("admin")):
            raise KeyRequired("pictures of sites need an API key here; GALLERY_PUBLIC=true shows them to everybody")
        accepted = preferred_format(request.headers.get("Accept", ""))
        wanted = images.read(id_, number, request.query_string, accepted)
        log_facts(site=id_)
        known = services.site_pictures.hit(wanted)
        state = CacheState.HIT if known else CacheState.MISS
        picture = known or services.site_pictures.get(wanted, budgets.charge_of(caller.name, caller.own_limit))
        log_facts(cache=state)
        if picture is None:
            return _neutral(wanted)
        served = served_image(wanted, picture, state, private=not images.open_to_all)
        return picture_response(picture, picture_headers(served, wanted.request.delivery))

    return views


def _neutral(wanted: SiteImage) -> Response:
    """Respond with the picture of a site that has none yet. Its page loads as with any other."""
    rendition = wanted.request.rendition
    width, height = rendition.w, rendition.h
    if width is None and height is None:
        width, height = NEUTRAL_SIZE
    ratio = NEUTRAL_SIZE[0] / NEUTRAL_SIZE[1]
    size = width or round((height or 0) * ratio), height or round((width or 0) / ratio)
    response = Response(placeholder.draw(*size, "pending"), content_type="image/png")
    response.headers.update(SAFE_HEADERS | {"Cache-Control": "no-store", "X-Thumb-State": "pending"})
    return response
