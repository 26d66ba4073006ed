"""The front door: a person types a URL, sees its picture and what it costs, and copies code.

Only a POST from this page captures. A link fills the form, and shows a picture only if it is known already.
"""

import time
from dataclasses import replace

from flask import Blueprint, Response, request

from errors import BadRequest, ThumbnailError
from model import ThumbnailRequest
from services import Services
from thumbnails import Ask
from web.http.addresses import base_url, path_of
from web.http.budgets import Budgets
from web.http.callers import Caller, identify_caller
from web.http.origins import open_to_all, refuse_foreign_writes
from web.http.pictures import preferred_format
from web.http.request_log import log_facts, note_error, request_id
from web.ui.access import is_admin
from web.ui.controls import URL, OptionControls, Pairs
from web.ui.door import KEY, WAITING, Door, Result, Waiting
from web.ui.error_pages import show_errors
from web.ui.pages import page
from web.ui.snippets import Subject, query_of

EXAMPLE = "https://example.com/"
_WAIT = 20  # seconds for a capture, unless the form says otherwise: then the page asks again
_MOST_ERRORS = 8  # that are shown at once
_AGAIN = "fresh"  # the button that captures a known page again
_FOREIGN = "pages of other web sites must not take pictures here; open this page itself"
_IMAGES = (
    "image/avif,image/webp,*/*"  # what every browser sends for an `<img>`; a page is asked for with another header
)


class Captures:
    """Takes the pictures that forms ask for, as `/thumb` does, but signs by itself for a person with a key."""

    def __init__(self, services: Services, budgets: Budgets) -> None:
        self._services = services
        self._budgets = budgets
        self._access = services.access

    def look(self, chosen: Pairs) -> Result:
        """Return the picture that a link describes if it is known, and else what is wrong with the link.

        Nothing is captured, rendered or charged.
        """
        if not chosen:
            return Result()
        has_page = URL in dict(chosen)
        try:
            wanted = self._services.thumbnailer.settle(self._read(chosen if has_page else ((URL, EXAMPLE), *chosen)))
        except BadRequest as err:
            return Result(error=err, more_errors=self._other_errors(chosen, err), asked=False)
        except ThumbnailError:
            return Result()  # the form says so once it is sent
        if self._access.restricted or not has_page:
            return Result()
        try:
            served = self._services.thumbnailer.hit(wanted, self._services.thumbnailer.look_up(wanted))
        except ThumbnailError:
            return Result()
        return Result(wanted, served) if served else Result()

    def take(self, chosen: Pairs, key: str, waiting: Waiting, *, again: bool) -> Result:
        """Return the picture that a form asks for, captured anew with `again`, or the error."""
        try:
            caller = self.identify(key)
            wanted = self._read(chosen)
        except ThumbnailError as err:
            note_error(err)
            return Result(error=err, more_errors=self._other_errors(chosen, err))
        log_facts(host=wanted.target.netloc)
        charge = self._budgets.charge_of(caller.name, caller.own_limit)
        wait = _WAIT if wanted.delivery.wait is None else wanted.delivery.wait
        asked = replace(wanted, delivery=replace(wanted.delivery, wait=wait, fresh=again))
        served = error = None
        try:
            served = self._services.thumbnailer.get(Ask(asked, charge, request_id()))
            log_facts(cache=served.cache)
        except ThumbnailError as err:
            error = err
            note_error(err)
        wanted = self._services.thumbnailer.settle(wanted)  # which scheme answered is known now
        milliseconds = max(round((time.time() - waiting.since) * 1000), 0)
        return Result(wanted, served, error, costs=charge.headers, milliseconds=milliseconds, waiting=waiting)

    def identify(self, typed: str) -> Caller:
        """Return who pays. Raises KeyRequired or BadKey where the installation is restricted."""
        if not self._access.restricted or is_admin():
            return identify_caller(self._access)
        key = self._access.identify_person(typed)
        return Caller(f"key:{key.name}", key) if key else identify_caller(self._access)

    def _other_errors(self, chosen: Pairs, error: ThumbnailError) -> tuple[ThumbnailError, ...]:
        """Return what else is wrong with the options, so that a person can mend all fields at once."""
        found: list[ThumbnailError] = []
        while isinstance(error, BadRequest) and len(found) < _MOST_ERRORS:
            wrong = error.field.split(", ")
            left = {name: value for name, value in chosen if name not in wrong}
            if len(left) == len(chosen):
                break
            chosen = tuple(({URL: EXAMPLE} | left).items())
            try:
                self._read(chosen)
                break
            except ThumbnailError as err:
                error = err
                found.append(err)
        return tuple(found)

    def _read(self, chosen: Pairs) -> ThumbnailRequest:
        """Judge the options as `/thumb` does, except for the signature, which is made here."""
        wanted = self._services.validator.parse_query(query_of(chosen).encode(), preferred_format(_IMAGES))
        self._access.require_size(wanted.rendition)
        self._access.require_target(wanted.target)
        Subject(chosen, "", self._access, (0, 0)).signed(chosen)  # raises BadSignature for what cannot be signed
        return wanted


def blueprint(services: Services, budgets: Budgets) -> Blueprint:
    views = Blueprint("playground", __name__)
    show_errors(views)
    refuse_foreign_writes(views, (), _FOREIGN)
    if services.settings.playground:
        _open(views, services, Captures(services, budgets))
    else:
        views.get("/", endpoint="front_door")(lambda: page("door.html"))
    return views


def _open(views: Blueprint, services: Services, captures: Captures) -> None:
    controls = OptionControls.of(services.settings)
    access, public_url = services.access, services.settings.public_url
    arrives = open_to_all(services.settings) or bool(services.settings.cors_origins)

    @views.get("/")
    def front_door() -> Response:
        chosen = controls.read(request.args.items(multi=True))
        return show(chosen or controls.first(access), captures.look(chosen))

    @views.post("/")
    def capture() -> Response:
        chosen = controls.read(request.form.items(multi=True))
        key, again = request.form.get(KEY, "").strip(), _AGAIN in request.form
        waiting = Waiting.read("" if again else request.form.get(WAITING, ""), query_of(chosen), time.time())
        response = show(chosen, captures.take(chosen, key, waiting, again=again))
        response.headers["Cache-Control"] = "no-store"
        return response

    def show(chosen: Pairs, result: Result) -> Response:
        pairs = chosen if URL in dict(chosen) else ((URL, EXAMPLE), *chosen)
        opened = result.wanted.target.url if result.wanted else ""
        subject = Subject(pairs, public_url or base_url(), access, _size(result, chosen), arrives, opened)
        here = replace(subject, base=path_of("", public_url))  # the page may be open by another host than PUBLIC_URL's
        # A browser may hold the picture from before, as long as it counted as fresh.
        picture = here.address(v=result.served.picture.etag[:12]) if result.served else ""
        door = Door(
            controls,
            chosen,
            result,
            subject,
            picture,
            access.restricted and not is_admin(),
            request.form.get("code", ""),
        )
        error = result.error
        response = page(
            "playground.html",
            error.status if error and result.asked else 200,
            door=door,
            result=result,
            example=EXAMPLE,
        )
        if error is not None and error.retry_after is not None:
            response.headers["Retry-After"] = str(error.retry_after)
        return response


def _size(result: Result, chosen: Pairs) -> tuple[int, int]:
    """Return the size of the picture in pixels, as far as it is known; 0 for a side that is not."""
    if result.served is not None:
        return result.served.picture.width, result.served.picture.height
    sides = (dict(chosen).get(name, "") for name in ("w", "h"))
    width, height = (int(side) if side.isascii() and side.isdecimal() and len(side) < 5 else 0 for side in sides)
    return width, height or round(width * 9 / 16)
