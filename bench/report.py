"""The table of results: for each measure our number, the peer's, the ratio, the goal, and whether it was met."""

import os
import platform
import re
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

HEAD = ("measure", "ours", "compared with", "ratio", "goal", "met")
QUOTED = (
    "| measure | ours | compared with | ratio |\n| --- | --- | --- | --- |"  # the first lines of the README's table
)


@dataclass(frozen=True)
class Row:
    """A row of the table. `met` is None if there is no goal. The README quotes each `headline`."""

    measure: str
    ours: str
    beside: str = ""
    ratio: str = ""
    goal: str = "reported"
    met: bool | None = None
    headline: bool = False

    @property
    def cells(self) -> tuple[str, ...]:
        verdict = {True: "yes", False: "**no**", None: ""}[self.met]
        return (self.measure, self.ours, self.beside, self.ratio, self.goal, verdict)


def table(rows: Iterable[Row]) -> str:
    lines = [HEAD, ("---",) * len(HEAD), *(row.cells for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def count(value: float) -> str:
    """Write a number with two or three significant digits."""
    if value >= 1000:
        return f"{round(value, -1):,.0f}"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def times(value: float) -> str:
    return f"{value:.1f} ×" if value < 100 else f"{value:.0f} ×"


def percent(value: float) -> str:
    return f"{value:.0%}"


def write(path: Path, rows: Sequence[Row], notes: str, load_before: float, seconds: float) -> None:
    path.write_text(f"{_preamble(load_before, seconds)}\n{table(rows)}\n\n{notes}", encoding="utf-8")


def quote(readme: Path, rows: Iterable[Row]) -> None:
    """Replace the table in the README by the first four cells of all headlines."""
    text = readme.read_text(encoding="utf-8")
    before, _, rest = text.partition(QUOTED)
    _old, end, after = rest.partition("\n\n")
    lines = [f"| {' | '.join(row.cells[:4])} |" for row in rows if row.headline]
    readme.write_text("\n".join([before + QUOTED, *lines]) + end + after, encoding="utf-8")


def _preamble(load_before: float, seconds: float) -> str:
    return f"""\
# What `make bench` measured

{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {seconds / 60:.0f} minutes, {machine()}. Load before the run: {load_before:.2f}.
{", ".join(_versions())}.
Servers, clients and browsers share the cores, so compare the ratios. All rows are of one run, which alternated between
the contenders. Our service runs with its default settings: limits (raised, not switched off), log at INFO to a file,
request ids.
"""


def machine() -> str:
    """Describe where something was measured."""
    return f"{os.cpu_count()} cores ({_processor()}), {_memory()} GB of memory, {_system()}"


def _processor() -> str:
    found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    return " ".join(found[1].split()) if found else platform.machine()


def _memory() -> int:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)


def _system() -> str:
    return platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())


def _versions() -> list[str]:
    programs = {
        "nginx": ["nginx", "-v"],
        "redis": ["redis-server", "--version"],
        "Chromium": ["/usr/lib/chromium/chromium-headless-shell", "--version"],
    }
    packages = ("gunicorn", "flask", "flask-limiter", "redis", "pillow", "shot-scraper")
    return [
        f"Python {platform.python_version()}",
        *(f"{name} {version(name)}" for name in packages),
        *(f"{name} {_version_of(command)}" for name, command in programs.items()),
    ]


def _version_of(command: list[str]) -> str:
    """Extract the version from a program's output."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return "not installed"
    found = re.search(r"\d+(\.\d+)+", done.stdout + done.stderr)
    return found[0] if found else "?"
