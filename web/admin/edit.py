"""A new site, and the page of one: its fields, a preview of its options, and the picture that is shown."""

from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, jsonify, request
from flask_wtf.csrf import validate_csrf

from errors import (
    BlockedTarget,
    ForbiddenHost,
    InvalidOption,
    InvalidURL,
    RevisionConflict,
    SiteExists,
    ThumbnailError,
)
from services import Services
from sites import Site, SiteDraft
from thumbnails import Ask
from web.admin.identity import record
from web.admin.responses import say, see_other
from web.admin.site_form import SiteControls, differences, normal_form, preview_query, typed_values, values_of
from web.api.site_history import LARGEST_UPLOAD, read_upload
from web.http.budgets import Budgets
from web.http.pictures import SAFE_HEADERS
from web.http.request_log import request_id
from web.ui.pages import page

MAX_FORM_BYTES = 512 * 1024  # with a style sheet of the largest size, percent-encoded
PREVIEW_WIDTH = 640
_SCHEDULES = ("never", "viewed", "hourly", "daily", "weekly")
_KEEPS = ("30 versions", "1 year", "all")
_VERSIONS = 24  # that are offered to be pinned
_LARGEST_NUMBER = 2**31 - 1
_AT_FIELDS = (InvalidOption, InvalidURL, BlockedTarget, ForbiddenHost, SiteExists)
_NOTHING = ("", "")


class SiteForm:
    """Shows the form of a site, empty or not, and saves what it says."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self.controls = SiteControls.of(services.settings)

    def add(self) -> Response:
        """Add the site that the current form describes, or show it again with what is wrong."""
        typed = typed_values(request.form, self.controls)
        if "preview" in request.form:
            return self.show(200, typed, preview=True)
        try:
            site = self._services.catalogue.add(self._services.drafts.read(typed))
        except _AT_FIELDS as err:
            return self.show(err.status, typed, problem=_about_a_field(err))
        record(self._services, "added a site", site.url)
        say("The site was added. Its picture is here some seconds from now.")
        return see_other("admin.site", site_id=site.id)

    def save(self, found: Site) -> Response:
        """Change a site as the current form says, unless somebody else has done so since it was opened."""
        typed = typed_values(request.form, self.controls)
        if "preview" in request.form:
            return self.show(200, typed, found, preview=True)
        catalogue = self._services.catalogue
        try:
            changes = self._services.drafts.changes(typed, found.url)
            changed = catalogue.change(found.id, changes, request.form.get("revision", 0, int))
        except RevisionConflict:
            theirs = catalogue.get(found.id)
            return self.show(412, typed, theirs, conflict=differences(normal_form(typed), values_of(theirs)))
        except _AT_FIELDS as err:
            return self.show(err.status, typed, found, problem=_about_a_field(err))
        said = differences(values_of(changed), values_of(found))
        if said:
            record(self._services, "changed a site", changed.url, "; ".join(f"{name}: {new}" for name, new, _ in said))
        say("Saved." if said else "Nothing was different, so nothing was changed.")
        return see_other("admin.site", site_id=found.id)

    def show(
        self,
        status: int,
        values: dict[str, Any],
        site: Site | None = None,
        *,
        problem: tuple[str, str] = _NOTHING,
        conflict: list[tuple[str, str, str]] | None = None,
        preview: bool = False,
    ) -> Response:
        """Show the form with `values`. `problem` is a field and what is wrong with it, `conflict` what somebody else did."""
        return page(
            "admin/site.html",
            status,
            site=site,
            values=values,
            controls=self.controls,
            problem=problem,
            conflict=conflict,
            preview=f"?{preview_query(values, self.controls)}" if preview else "",
            versions=self._services.history.versions(site.id, limit=_VERSIONS) if site else (),
            schedules=_SCHEDULES,
            keeps=_KEEPS,
            section="admin.sites",
        )


def add_edit_pages(views: Blueprint, services: Services, budgets: Budgets) -> None:
    form = SiteForm(services)

    @views.route("/sites/new", methods=["GET", "POST"])
    def new_site() -> Response:
        if request.method == "POST":
            return form.add()
        return form.show(200, values_of(SiteDraft(request.args.get("url", ""))))

    @views.route("/sites/<int:site_id>", methods=["GET", "POST"])
    def site(site_id: int) -> Response:
        found = services.catalogue.get(site_id)
        return form.save(found) if request.method == "POST" else form.show(200, values_of(found), found)

    @views.post("/sites/<int:site_id>/capture")
    def capture_site(site_id: int) -> Response:
        found = services.catalogue.get(site_id)
        services.catalogue.request_capture([site_id])
        record(services, "asked for a capture", found.url)
        say("A new capture was asked for.")
        return see_other("admin.site", site_id=site_id)

    @views.post("/sites/<int:site_id>/picture")
    def choose_picture(site_id: int) -> Response:
        """Show a version, an uploaded picture, or the last capture again."""
        found = services.catalogue.get(site_id)
        record(services, _choose_picture(services, site_id), found.url)
        say("This picture is shown from now on.")
        return see_other("admin.site", site_id=site_id)

    views.get("/preview", endpoint="preview")(_preview(services, budgets, form.controls))


def _choose_picture(services: Services, site_id: int) -> str:
    """Choose the picture that the current form names, and return what was done. Raises InvalidOption and NotFound."""
    upload = request.files.get("file")
    if upload is not None and upload.filename:
        services.history.upload(site_id, read_upload(services, upload.read()))
        return "uploaded a picture"
    if number := request.form.get("version", type=int):
        services.history.pin(site_id, min(number, _LARGEST_NUMBER))
        return f"pinned version {number}"
    if "last" not in request.form:
        raise InvalidOption("is missing; choose a file, or a version", field="picture")
    services.history.pin(site_id, None)
    return "showed the last capture again"


def _preview(services: Services, budgets: Budgets, controls: SiteControls) -> Callable[[], Response]:
    def preview() -> Response:
        """Respond with the picture of what a form says, or with the reason why there is none, for the page's script.

        It costs a capture, so the address has the token of a form: a link or an `<img>` of another site has none.
        """
        if not _has_token():
            return _no_preview(400, "this form is no longer valid; reload the page", "csrf_token")
        typed = typed_values(request.args, controls)
        try:
            said = services.drafts.fields({"url": typed["url"], "options": typed["options"]})
            given = {"url": said["url"], **said["options"], "w": PREVIEW_WIDTH, "format": "webp"}
            wanted = services.validator.parse_json(given)
            served = services.thumbnailer.get(Ask(wanted, budgets.charge_of("admin", None), request_id()))
        except ThumbnailError as err:
            return _no_preview(err.status, err.reason or err.title, err.field)
        response = Response(served.picture.body, content_type=served.picture.content_type)
        response.headers.update(SAFE_HEADERS | {"Cache-Control": "private, max-age=60"})
        return response

    return preview


def _has_token() -> bool:
    try:
        validate_csrf(request.args.get("csrf_token"))
    except ValueError:
        return False
    return True


def _no_preview(status: int, detail: str, field: str) -> Response:
    response = jsonify(detail=detail, field=field)
    response.status_code = status
    response.headers["Cache-Control"] = "no-store"
    return response


def allow_uploads(views: Blueprint, largest_list: int) -> None:
    """Let the two forms with files be larger than others. Before the CSRF token is read, which is in them."""
    largest = {"admin.choose_picture": LARGEST_UPLOAD, "admin.import_sites": largest_list}

    @views.before_request
    def raise_limit() -> None:
        request.max_content_length = largest.get(request.endpoint or "", 0) + MAX_FORM_BYTES
        request.max_form_memory_size = 4 * MAX_FORM_BYTES  # a dry run brings its list along in the form


def _about_a_field(err: ThumbnailError) -> tuple[str, str]:
    return err.field, err.reason or err.title
