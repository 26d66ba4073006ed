"""`make bench`: run all groups of measurements, print the table, write `bench/results.md` and the README's excerpt."""

import argparse
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from bench import (
    arrivals,
    backlog,
    captures,
    cards,
    gallery,
    hits,
    keeping,
    metrics,
    misses,
    renditions,
    rightness,
    scale,
    sites,
    traces,
)
from bench.report import Row, quote, table, write
from bench.stopping import exit_at_signals

HERE = Path(__file__).parent
FAILED = "could not be measured"
GROUPS: dict[str, Callable[[Path], list[Row]]] = {
    "hits": hits.rows,
    "metrics": metrics.rows,
    "traces": traces.rows,
    "misses": misses.rows,
    "jobs": backlog.rows,
    "scale": scale.rows,
    "captures": lambda work: [*captures.rows(work), *rightness.rows(work)],
    "cards": cards.rows,
    "arrivals": arrivals.rows,
    "renditions": renditions.rows,
    "keeping": keeping.rows,
    "sites": sites.rows,
    "gallery": gallery.rows,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("groups", nargs="*", help=f"run only some of {', '.join(GROUPS)}, and write no results")
    exit_at_signals()
    chosen = parser.parse_args().groups or list(GROUPS)
    if "captures" in chosen and find_spec("shot_scraper") is None:
        parser.error("shot-scraper is missing: run `make setup-bench` once")
    load_before = os.getloadavg()[0]
    began = time.monotonic()
    rows: list[Row] = []
    for name in chosen:
        print(f"{name} …", flush=True)
        group_began = time.monotonic()
        rows += _measure(name)
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


def _measure(name: str) -> list[Row]:
    """Measure a group and return its rows. A failed group becomes one row, and the other groups still run."""
    try:
        with tempfile.TemporaryDirectory(prefix="bench-") as work:
            Path(work).chmod(0o755)  # browsers run as other users
            return GROUPS[name](Path(work))
    except Exception as err:  # noqa: BLE001 - the group's row reports the error
        traceback.print_exc()
        return [Row(name, FAILED, f"{type(err).__name__}: {err}".replace("\n", " ").replace("|", "/"), met=False)]


if __name__ == "__main__":
    main()
