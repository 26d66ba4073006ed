"""Sites as CSV, which an import reads again, and as JSON."""

import csv
import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from urllib.parse import urlencode

from sites.catalogue import Catalogue
from sites.imports.csv_file import COLUMNS, FORMULA
from sites.presenter import describe_site, moment
from sites.values import Filters, Site, SitePage

_FOR_PEOPLE = ("status", "failure", "captured_at", "changed_at")  # an import ignores them
_PAGE = 100


def pages_of(catalogue: Catalogue, filters: Filters, size: int = _PAGE) -> Iterator[SitePage]:
    """Yield all sites that `filters` match, those added last first. Raises DatabaseUnavailable."""
    filters = replace(filters, sort="added", limit=size, cursor="")
    while True:
        page = catalogue.find(filters)
        yield page
        if page.next is None:
            return
        filters = replace(filters, cursor=page.next)


def csv_pieces(pages: Iterable[SitePage]) -> Iterator[bytes]:
    """Write a table with a header, each cell such that a spreadsheet shows it and calculates nothing."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    text.write("\ufeff")  # without it, Excel takes UTF-8 for a code page
    writer.writerow((*COLUMNS, *_FOR_PEOPLE))
    for page in pages:
        writer.writerows(map(_cells, page.sites))
        yield text.getvalue().encode()
        text.seek(0)
        text.truncate()


def json_pieces(pages: Iterable[SitePage], base: str) -> Iterator[bytes]:
    """Write `{"sites": [...]}`, each site as the API shows it. `base` is the URL of the service."""
    before = '{"sites": ['
    for page in pages:
        for site in page.sites:
            yield f"{before}\n{json.dumps(describe_site(site, base), ensure_ascii=False)}".encode()
            before = ","
    yield b"\n]}\n" if before == "," else f"{before}]}}\n".encode()


def _cells(site: Site) -> list[str]:
    return [
        _guarded(cell)
        for cell in (
            site.url,
            site.title,
            site.note,
            ", ".join(site.tags),
            urlencode(site.options),
            site.schedule,
            site.keep,
            "true" if site.paused else "false",
            site.status,
            f"{site.failure.code}: {site.failure.message}" if site.failure else "",
            moment(site.captured_at) or "",
            moment(site.changed_at) or "",
        )
    ]


def _guarded(cell: str) -> str:
    """Let no spreadsheet take a title for a formula: https://owasp.org/www-community/attacks/CSV_Injection."""
    return f"'{cell}" if cell.lstrip("'").startswith(FORMULA) else cell
