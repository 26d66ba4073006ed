"""Draws lines over time as SVG, without a library. The colours follow the reader's light or dark theme."""

import math
from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT = 860, 340
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 60, 34
LEGEND_ROW, LEGEND_COLUMN, LEGEND_MARK, LETTER = 18, 205, 26, 7
MINUTE = 60
# Distinct by hue and by lightness, each with enough contrast on its ground.
LIGHT = ("#1f5fbf", "#c2410c", "#15803d", "#a21caf", "#8a6d00", "#0e7490", "#be123c", "#4d5562", "#7c5cdb", "#3f6212")
DARK = ("#7db3ff", "#ff9b5e", "#5fd38a", "#e58cf0", "#e0c04a", "#53cbe0", "#ff8095", "#b6bfcc", "#b6a2ff", "#c5e86c")

Series = Sequence[tuple[float, float]]


def chart(title: str, series: Mapping[str, Series], marks: Sequence[float] = (), *, logarithmic: bool = False) -> str:
    """Draw `series`, points of (seconds, value), below their title and names, with a thin line at each of `marks`.

    A gap of more than a minute between two points breaks a line. Raises ValueError without a point.
    """
    drawn = {name: [point for point in points if not logarithmic or point[1] > 0] for name, points in series.items()}
    drawn = {name: points for name, points in drawn.items() if points}
    if not drawn:
        raise ValueError(f"nothing to draw: {title}")
    column = max(LEGEND_COLUMN, LEGEND_MARK + LETTER * (max(map(len, drawn)) + 1))
    columns = max((WIDTH - LEFT - RIGHT) // column, 1)
    legend = math.ceil(len(drawn) / columns)
    top = TOP + LEGEND_ROW * (legend - 1)
    height = HEIGHT + LEGEND_ROW * (legend - 1)
    end = max(time for points in drawn.values() for time, _ in points) or 1
    ticks = _ticks([value for points in drawn.values() for _, value in points], logarithmic=logarithmic)
    scale = math.log10 if logarithmic else float
    low, high = scale(ticks[0]), scale(ticks[-1])

    def x(time: float) -> float:
        return LEFT + time / end * (WIDTH - LEFT - RIGHT)

    def y(value: float) -> float:
        return height - BOTTOM - (scale(value) - low) / (high - low) * (height - BOTTOM - top)

    parts = [_head(title, height)]
    parts += [
        f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(tick):.1f}" y2="{y(tick):.1f}"/>'
        f'<text class="tick" x="{LEFT - 8}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick:,.10g}</text>'
        for tick in ticks
    ]
    parts += [
        f'<text class="tick" x="{x(minute * MINUTE):.1f}" y="{height - 12}" text-anchor="middle">{minute:g} min</text>'
        for minute in _minutes(end / MINUTE)
    ]
    parts += [
        f'<line class="mark" x1="{x(mark):.1f}" x2="{x(mark):.1f}" y1="{top}" y2="{height - BOTTOM}"/>'
        for mark in marks
        if mark <= end
    ]
    for number, (name, points) in enumerate(drawn.items()):
        colour = f"c{number % len(LIGHT)}"
        parts += [
            f'<polyline class="line {colour}" points="{" ".join(f"{x(time):.1f},{y(value):.1f}" for time, value in piece)}"/>'
            for piece in _pieces(points)
        ]
        left, line = LEFT + number % columns * column, 44 + number // columns * LEGEND_ROW
        parts.append(
            f'<line class="line {colour}" x1="{left}" x2="{left + 20}" y1="{line - 4}" y2="{line - 4}"/>'
            f'<text class="name" x="{left + LEGEND_MARK}" y="{line}">{escape(name)}</text>'
        )
    return "\n".join([*parts, "</svg>\n"])


def _head(title: str, height: int) -> str:
    def colours(palette: Sequence[str], ground: str, ink: str, faint: str) -> str:
        lines = "".join(f".c{number} {{ stroke: {colour} }} " for number, colour in enumerate(palette))
        return (
            f".ground {{ fill: {ground} }} text {{ fill: {ink} }} .grid {{ stroke: {faint} }} "
            f".mark {{ stroke: {ink} }} {lines}"
        )

    return f"""\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img" \
aria-label="{escape(title, quote=True)}">
<style>
text {{ font: 12px system-ui, "Liberation Sans", Arial, sans-serif }} .title {{ font-size: 15px; font-weight: 600 }}
.line {{ fill: none; stroke-width: 1.7; stroke-linejoin: round; stroke-linecap: round }} .mark {{ opacity: .28; stroke-dasharray: 2 3 }}
{colours(LIGHT, "#ffffff", "#1c2430", "#e3e7ec")}
@media (prefers-color-scheme: dark) {{ {colours(DARK, "#0d1117", "#dfe5ee", "#2b333e")} }}
</style>
<rect class="ground" width="{WIDTH}" height="{height}" rx="6"/>
<text class="title" x="{LEFT}" y="22">{escape(title)}</text>"""


def _ticks(values: Sequence[float], *, logarithmic: bool) -> list[float]:
    most = max(values)
    if logarithmic:
        first, last = math.floor(math.log10(min(values))), math.ceil(math.log10(most))
        return [10.0**power for power in range(first, max(last, first + 1) + 1)]
    step = 10 ** math.floor(math.log10(most / 4 or 1))
    step *= next(factor for factor in (1, 2, 5, 10) if factor * step * 5 >= most)
    return [number * step for number in range(math.ceil(most / step) + 1 or 2)] if most else [0, 1]


def _minutes(end: float) -> list[float]:
    step = next(step for step in (0.5, 1, 2, 5, 10, 30, 60, 120, 600) if end / step <= 12 or step == 600)
    return [number * step for number in range(int(end / step) + 1)]


def _pieces(points: Series) -> list[list[tuple[float, float]]]:
    pieces: list[list[tuple[float, float]]] = [[]]
    for point in points:
        if pieces[-1] and point[0] - pieces[-1][-1][0] > MINUTE:
            pieces.append([])
        pieces[-1].append(point)
    return pieces
