"""The cost of a rendition: milliseconds and bytes."""

import statistics
import time
from pathlib import Path

from bench import pictures
from bench.report import Row
from images import make_rendition
from options import Rendition

FORMATS = ("png", "webp", "jpeg", "avif")
TIMES = 25


def rows(_work: Path) -> list[Row]:
    master = pictures.page_picture(size=400_000)
    found = [_measure(master, format_) for format_ in FORMATS]
    return [
        Row(
            f"rendition 1280×720 → 320×180 {', '.join(FORMATS)}, from a PNG of {len(master) / 1000:.0f} kB",
            ", ".join(f"{ms:.1f}" for ms, _ in found) + " ms",
            ", ".join(f"{size / 1000:.1f}" for _, size in found) + " kB",
        )
    ]


def _measure(master: bytes, format_: str) -> tuple[float, int]:
    """Return the median time in milliseconds, and the size in bytes."""
    wanted = Rendition(w=320, h=180, format=format_)
    taken = []
    for _ in range(TIMES):
        began = time.perf_counter()
        body, _identity = make_rendition(master, wanted)
        taken.append((time.perf_counter() - began) * 1000)
    return statistics.median(taken), len(body)
