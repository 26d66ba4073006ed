"""`make bench`: run every group of rows, print the table, write `bench/results.md` and the README's part of it."""

import argparse
import os
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from bench import backlog, captures, hits, misses, renditions, scale
from bench.report import Row, quote, table, write

HERE = Path(__file__).parent
FAILED = "could not be measured"
GROUPS: dict[str, Callable[[Path], list[Row]]] = {
    "hits": hits.rows,
    "misses": misses.rows,
    "jobs": backlog.rows,
    "scale": scale.rows,
    "captures": captures.rows,
    "renditions": renditions.rows,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("groups", nargs="*", help=f"only these of {', '.join(GROUPS)}; the results are not written")
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    chosen = parser.parse_args().groups or list(GROUPS)
    if "captures" in chosen and find_spec("shot_scraper") is None:
        parser.error("shot-scraper is missing: run `make bench`, or `make setup-bench` once")
    load_before = os.getloadavg()[0]
    began = time.monotonic()
    rows: list[Row] = []
    for name in chosen:
        print(f"{name} …", flush=True)
        group_began = time.monotonic()
        rows += _measured(name)
        now = time.monotonic()
        print(f"  {now - group_began:.0f} s, {now - began:.0f} s so far", flush=True)
    print(table(rows))
    if chosen == list(GROUPS):
        notes = (HERE / "notes.md").read_text(encoding="utf-8")
        write(HERE / "results.md", rows, notes, load_before, time.monotonic() - began)
    if any(row.ours == FAILED for row in rows):
        sys.exit(1)
    if chosen == list(GROUPS):
        quote(HERE.parent / "README.md", rows)


def _end(number: int, _frame: object) -> None:
    """Leave through every `with`, as Ctrl-C does, so that whatever was started is ended."""
    for other in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(other, signal.SIG_IGN)
    sys.exit(128 + number)


def _measured(name: str) -> list[Row]:
    """Return a group's rows; where it fails, one that says so, and the other groups are measured all the same."""
    try:
        with tempfile.TemporaryDirectory(prefix="bench-") as work:
            Path(work).chmod(0o755)  # browsers run as other users
            return GROUPS[name](Path(work))
    except Exception as err:  # noqa: BLE001 - whatever it was, its row says so
        traceback.print_exc()
        return [Row(name, FAILED, f"{type(err).__name__}: {err}".replace("\n", " ").replace("|", "/"), met=False)]


if __name__ == "__main__":
    main()
