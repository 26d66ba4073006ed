"""`POST /sites/import`: a list in, a plan or a report out. `GET /sites/export`: the catalogue as a file."""

from collections.abc import Callable, Collection, Iterator, Mapping
from urllib.parse import urlencode

from flask import Blueprint, Response, jsonify, request

from errors import InvalidOption
from options import either
from services import Services
from sites import Filters
from sites.exports import FILES
from sites.imports import MAX_BYTES, ImportReport, LineOutcome, ListKind, ListTurns, SiteList, charset_of
from urls import read_query
from web.api.site_query import read_filters
from web.http.addresses import base_url
from web.http.budgets import Budgets
from web.http.callers import identify_keeper
from web.http.origins import allow_origins, refuse_foreign_writes
from web.http.pictures import SAFE_HEADERS
from web.http.request_log import log_facts

_OF_PAGES = ("sort", "cursor", "limit")
_FLAGS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


def blueprint(services: Services, budgets: Budgets) -> Blueprint:
    views = Blueprint("site_lists", __name__)
    allow_origins(views, services.settings.cors_origins)
    refuse_foreign_writes(views, services.settings.cors_origins)
    turns = services.list_turns

    @views.post("/sites/import")
    def import_() -> Response:
        caller = identify_keeper(services.access)
        asked = _query({"kind", "url", "dry_run", "capture"})
        kind, dry_run, capture = _kind(asked), _flag(asked, "dry_run", "false"), _flag(asked, "capture", "true")
        with turns.taken():
            prepared = services.importer.prepare(_sent_list(services, asked.get("url"), kind))
            if dry_run:
                report = prepared.plan()
            else:
                with budgets.sites.charged(caller.name, prepared.count_new()):
                    report = prepared.run(capture=capture)
        counts = {action.value: count for action, count in report.counts().items()}
        log_facts(kind=report.found.kind, dry_run=dry_run, **counts)
        return jsonify(describe_import(report))

    @views.get("/sites/export")
    def export() -> Response:
        identify_keeper(services.access)
        format_, filters = _export_query()
        file, here = FILES[format_], services.settings.public_url or base_url()
        pieces = _begun(_held(turns, lambda: services.exporter.pieces(format_, filters, here)))
        response = Response(pieces, content_type=file.content_type)
        response.headers.update(SAFE_HEADERS | {"Content-Disposition": f'attachment; filename="{file.name}"'})
        return response

    @views.after_request
    def forbid_caching(response: Response) -> Response:
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    return views


def describe_import(report: ImportReport) -> dict[str, object]:
    """Return a report as JSON."""
    return {
        "kind": report.found.kind,
        "dry_run": report.dry_run,
        "lines": len(report.outcomes),
        **{action.value: count for action, count in report.counts().items()},
        "unreadable_sitemaps": report.unreadable_sitemaps,
        "ignored_columns": list(report.found.ignored),
        "sites": list(map(_describe_line, report.outcomes)),
    }


def _describe_line(outcome: LineOutcome) -> dict[str, object]:
    described: dict[str, object] = {"line": outcome.line, "url": outcome.url, "action": outcome.action}
    if outcome.source:
        described["sitemap"] = outcome.source
    if outcome.changes:
        described["changes"] = list(outcome.changes)
    if outcome.reason:
        described |= {"field": outcome.field, "reason": outcome.reason}
    return described


def _query(known: Collection[str]) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for name, value in read_query(request.query_string):
        if name not in known:
            raise InvalidOption(f"is not an option; choose from {', '.join(sorted(known))}", field=name[:40])
        if name in found:
            raise InvalidOption("is set more than once; send it once", field=name)
        found[name] = value
    return found


def _export_query() -> tuple[str, Filters]:
    pairs = read_query(request.query_string)
    formats = [value for name, value in pairs if name == "format"]
    if len(formats) > 1 or not FILES.keys() >= set(formats):
        raise InvalidOption(f"must be {either(tuple(FILES))}", field="format")
    for name, _ in pairs:
        if name in _OF_PAGES:
            raise InvalidOption("is for pages of sites; an export has all that match", field=name)
    rest = urlencode([pair for pair in pairs if pair[0] != "format"])
    return formats[0] if formats else "csv", read_filters(rest.encode())


def _kind(asked: Mapping[str, str]) -> ListKind | None:
    if "kind" not in asked:
        return None
    try:
        return ListKind(asked["kind"])
    except ValueError:
        raise InvalidOption(f"must be {either(tuple(ListKind))}; without it, it is recognised", field="kind") from None


def _flag(asked: Mapping[str, str], name: str, default: str) -> bool:
    value = asked.get(name, default).lower()
    if value not in _FLAGS:
        raise InvalidOption("must be true or false", field=name)
    return _FLAGS[value]


def _sent_list(services: Services, url: str | None, kind: ListKind | None) -> SiteList:
    """Read the list at `url`, or else the body of the current request. Raises as ListReader."""
    if url is not None:
        if request.content_length or "Transfer-Encoding" in request.headers:
            raise InvalidOption("must not come with a body; send either of them", field="url")
        return services.list_reader.read_url(url, kind)
    if request.mimetype == "multipart/form-data":
        raise InvalidOption("must be the body itself; send it by curl --data-binary @sites.csv", field="list")
    request.max_content_length = MAX_BYTES
    body = request.get_data(cache=False)
    if not body:
        raise InvalidOption("is missing; send it as the body, or its address as url", field="list")
    return services.list_reader.read_body(body, kind, charset_of(request.content_type or ""))


def _held(turns: ListTurns, pieces: Callable[[], Iterator[bytes]]) -> Iterator[bytes]:
    with turns.taken():
        yield from pieces()


def _begun(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Return `pieces` after the first one was made, so that an error then still has a status of its own."""
    first = next(pieces)

    def all_of_them() -> Iterator[bytes]:
        yield first
        yield from pieces

    return all_of_them()
