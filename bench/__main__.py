"""`make bench`: run every group of rows, print the table as it grows, write `bench/results.md`."""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench import backlog, captures, hits, misses, renditions, scale
from bench.report import Row, table, write

HERE = Path(__file__).parent
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
    chosen = parser.parse_args().groups or list(GROUPS)
    load_before = os.getloadavg()[0]
    began = time.monotonic()
    rows: list[Row] = []
    for name in chosen:
        print(f"{name} …", flush=True)
        with tempfile.TemporaryDirectory(prefix="bench-") as work:
            Path(work).chmod(0o755)  # browsers run as other users
            rows += GROUPS[name](Path(work))
        print(f"  {time.monotonic() - began:.0f} s so far", flush=True)
    print(table(rows))
    if chosen == list(GROUPS):
        notes = (HERE / "notes.md").read_text(encoding="utf-8")
        write(HERE / "results.md", rows, notes, load_before, time.monotonic() - began)


if __name__ == "__main__":
    main()
