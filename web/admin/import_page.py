"""The page that imports a list of sites: what would happen first, then the import."""

import base64
import binascii
from dataclasses import dataclass

from flask import Blueprint, Response, request

from errors import BadRequest, CaptureError, Forbidden, InvalidOption, ThumbnailError
from services import Services
from sites.imports import LIST_FIELD, ImportAction, ImportReport, ListKind, SiteList
from web.admin.identity import record
from web.admin.responses import say, see_other
from web.ui.pages import page

CARRIED_BYTES = 1 << 20  # of a list that the page of a dry run brings along; a longer file is chosen again
SHOWN_LINES = 200


@dataclass(frozen=True, slots=True)
class Sent:
    """What the form has sent: an address, or else the bytes of a list."""

    url: str
    body: bytes
    kind: ListKind | None
    capture: bool

    @property
    def carried(self) -> str:
        """The list for a hidden field of the next form; empty if it is too long, or has an address."""
        fits = not self.url and len(self.body) <= CARRIED_BYTES
        return base64.b64encode(self.body).decode() if fits else ""


def add_import_page(views: Blueprint, services: Services) -> None:
    @views.route("/import", methods=["GET", "POST"])
    def import_sites() -> Response:
        if request.method == "GET":
            return _show(200, None)
        dry_run, sent = "dry_run" in request.form, None
        try:
            sent = _read_sent()
            with services.list_turns.taken():
                report = _import(services, sent, dry_run=dry_run)
        except ThumbnailError as err:
            return _show(err.status, sent, problem=(_field_of(err), err.reason or err.title))
        if dry_run or report.counts()[ImportAction.REFUSED]:
            if not dry_run:
                record(services, "imported sites", sent.url, _counted(report))
            return _show(200, sent, report)
        record(services, "imported sites", sent.url, _counted(report))
        say(f"Imported: {_counted(report)}.")
        return see_other("admin.sites", sort="added")


def _import(services: Services, sent: Sent, *, dry_run: bool) -> ImportReport:
    prepared = services.importer.prepare(_list_of(services, sent))
    return prepared.plan() if dry_run else prepared.run(capture=sent.capture)


def _list_of(services: Services, sent: Sent) -> SiteList:
    if sent.url:
        return services.list_reader.read_url(sent.url, sent.kind)
    return services.list_reader.read_body(sent.body, sent.kind, "")


def _read_sent() -> Sent:
    """Read the form. Raises InvalidOption."""
    url, text, kind = (request.form.get(name, "").strip() for name in ("url", "text", "kind"))
    file, carried = request.files.get("file"), request.form.get("carried", "")
    body = file.read() if file is not None and file.filename else b""
    try:
        body = body or text.encode() or (b"" if url else base64.b64decode(carried, validate=True))
        chosen = ListKind(kind) if kind else None
    except (binascii.Error, ValueError):
        raise InvalidOption("the form is damaged; choose the list again", field="list") from None
    if url and body:
        raise InvalidOption("choose one of them: a file, an address, or a text", field="url")
    if not url and not body:
        raise InvalidOption("there is no list yet; choose a file, or write an address or a list", field="list")
    return Sent(url, body, chosen, "capture" in request.form)


def _field_of(err: ThumbnailError) -> str:
    """Return the field of the form by which the list came with which something is wrong."""
    if not isinstance(err, BadRequest | Forbidden | CaptureError):
        return ""  # it is not the list: too many at once, or the database is away
    if err.field == LIST_FIELD:
        return next((name for name in ("text", "url") if request.form.get(name, "").strip()), "file")
    return err.field if err.field in ("url", "kind") else ""


def _counted(report: ImportReport) -> str:
    return ", ".join(f"{count:,} {action}" for action, count in report.counts().items())


def _show(
    status: int, sent: Sent | None, report: ImportReport | None = None, problem: tuple[str, str] = ("", "")
) -> Response:
    """Show the form, and a report above it. `problem` is a field of the form, "" for none of them, and what is wrong."""
    notable = () if report is None else [each for each in report.outcomes if each.action is not ImportAction.UNCHANGED]
    refused = [each for each in notable if each.action is ImportAction.REFUSED]
    others = [each for each in notable if each.action is not ImportAction.REFUSED]
    return page(
        "admin/import.html",
        status,
        sent=sent,
        report=report,
        problem=problem,
        typed=request.form if problem[1] else {},
        kinds=list(ListKind),
        lines=[*refused, *others][:SHOWN_LINES],
        more=max(len(notable) - SHOWN_LINES, 0),
        section="admin.sites",
    )
