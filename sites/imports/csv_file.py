"""CSV (RFC 4180, and what spreadsheets make of it): any usual delimiter, columns in any order, with a header or without."""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import chain, islice
from urllib.parse import parse_qsl

from errors import InvalidOption
from sites.drafts import split_tags
from sites.imports.candidates import Candidate, RefusedLine, unreadable
from sites.imports.urls_file import with_scheme

COLUMNS = ("url", "title", "note", "tags", "options", "schedule", "keep", "paused")
DELIMITERS = ",;\t|"
_ALIASES = {
    "url": ("url", "link", "address", "website", "uri", "href"),
    "title": ("title", "name"),
    "note": ("note", "notes", "description", "comment"),
    "tags": ("tags", "tag", "labels", "categories", "category", "folder"),
} | {name: (name,) for name in ("options", "schedule", "keep", "paused")}
_COLUMN_OF = {alias: column for column, aliases in _ALIASES.items() for alias in aliases}
_SAMPLE_ROWS = 20
_MOST_OPTIONS = 64
# Characters, line ends included: a row has no other limit on its columns. The longest style sheet fits, however it is
# encoded. The module `csv` limits each cell besides, to 128 Ki characters unless it is told.
_LONGEST_ROW = 2**21
csv.field_size_limit(_LONGEST_ROW)
_DECLARATION = re.compile(r"sep=([,;\t|])\r?\n", re.IGNORECASE)  # Excel's own first line
_SCHEME = re.compile(r"https?://", re.IGNORECASE)
FORMULA = tuple("=+-@")  # a spreadsheet calculates cells that begin so
_PAUSED = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}

Row = tuple[int, list[str]]  # the number of its first line, and its cells


def read_csv(text: str) -> tuple[Iterator[Candidate | RefusedLine], tuple[str, ...]]:
    """Parse `text`. Returns its sites, and the names of the columns that are ignored.

    An empty cell says nothing about its site. Raises InvalidOption, also while the sites are iterated.
    """
    declared = _DECLARATION.match(text)
    delimiter = declared[1] if declared else delimiter_of(text)
    rows = _rows(text, delimiter)
    if declared:
        next(rows)
    first = next(rows, None)
    if first is None:
        return iter(()), ()
    names = _header(first[1])
    if names:
        ignored = tuple(cell.strip() for cell, name in zip(first[1], names, strict=True) if cell.strip() and not name)
    else:
        names, ignored, rows = _usual_order(first[1]), (), chain([first], rows)
    return (_site(number, _by_column(names, cells)) for number, cells in rows), ignored


def delimiter_of(text: str) -> str:
    """Guess the delimiter: the one that shows a header, else the one that cuts the first rows into most columns alike."""
    return max(DELIMITERS, key=lambda each: _likelihood(text, each))


def is_csv(text: str) -> bool:
    """Return whether `text` is a table rather than a plain list: it has a header, or rows of equally many columns."""
    return bool(_DECLARATION.match(text)) or any(_likelihood(text, each) > (0, 1) for each in DELIMITERS)


def _likelihood(text: str, delimiter: str) -> tuple[int, int]:
    """Return the number of known columns in the header, and how many columns all of the first rows have, else 0."""
    sample: list[list[str]] = []
    with suppress(InvalidOption):  # the rows before a mistake are a sample too
        sample.extend(cells for _, cells in islice(_rows(text, delimiter), _SAMPLE_ROWS))
    if not sample:
        return 0, 0
    widths = {len(cells) for cells in sample}
    alike = len(widths) == 1 and (len(sample) > 1 or " " in text or '"' in text)
    return sum(map(bool, _header(sample[0]))), widths.pop() if alike else 0


def _rows(text: str, delimiter: str) -> Iterator[Row]:
    """Yield the rows that are not blank. Raises InvalidOption."""
    read = 0  # characters of the current row

    def lines() -> Iterator[str]:
        nonlocal read
        for line in io.StringIO(text, newline=""):
            read += len(line)
            if read > _LONGEST_ROW:
                raise csv.Error(f"a row is longer than {_LONGEST_ROW:,} characters; a quote may be missing")
            yield line

    reader = csv.reader(lines(), delimiter=delimiter, strict=True, skipinitialspace=True)
    number = 1
    try:
        for cells in reader:
            if any(map(str.strip, cells)):
                yield number, cells
            number, read = reader.line_num + 1, 0
    except csv.Error as err:
        raise unreadable(f"line {number} is not valid CSV: {err}") from None


def _header(cells: Sequence[str]) -> list[str]:
    """Return the column that each cell names, or an empty list if this row is no header."""
    names = [_COLUMN_OF.get(cell.strip().casefold(), "") for cell in cells]
    return names if "url" in names else []


def _usual_order(cells: Sequence[str]) -> list[str]:
    """Name the columns of a table without header: the first that holds a URL, and the others in the usual order."""
    urls = next((index for index, cell in enumerate(cells) if _SCHEME.match(cell.strip())), 0)
    others = list(COLUMNS[1:])
    return [("url" if index == urls else others.pop(0) if others else "") for index in range(len(cells))]


def _by_column(names: Sequence[str], cells: Sequence[str]) -> Mapping[str, str]:
    # The first of two columns with one meaning counts, unless its cell is empty.
    found: dict[str, str] = {}
    for name, cell in zip(names, cells, strict=False):
        if name and (value := _unguarded(cell.strip())):
            found.setdefault(name, value)
    return found


def _unguarded(cell: str) -> str:
    """Remove the apostrophe by which exports keep spreadsheets from calculating a cell."""
    return cell[1:] if cell.startswith("'") and cell.lstrip("'").startswith(FORMULA) else cell


def _site(line: int, cells: Mapping[str, str]) -> Candidate | RefusedLine:
    url = with_scheme(cells.get("url", ""))
    options = cells.get("options")
    try:
        pairs = parse_qsl(options, keep_blank_values=True, max_num_fields=_MOST_OPTIONS) if options else []
    except ValueError:
        return RefusedLine(line, url, "options", f"must be at most {_MOST_OPTIONS} options")
    paused = cells.get("paused")
    if len(dict(pairs)) < len(pairs):
        return RefusedLine(line, url, "options", "names an option twice; send it once")
    if options and not pairs:
        return RefusedLine(line, url, "options", "must be options of /thumb, such as device=phone&full_page=true")
    if paused is not None and paused.casefold() not in _PAUSED:
        return RefusedLine(line, url, "paused", "must be true or false")
    return Candidate(
        line,
        url,
        title=cells.get("title"),
        note=cells.get("note"),
        tags=split_tags(cells["tags"]) if "tags" in cells else None,
        options=dict(pairs) if options else None,
        schedule=cells.get("schedule"),
        keep=cells.get("keep"),
        paused=None if paused is None else _PAUSED[paused.casefold()],
    )
