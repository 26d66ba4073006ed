"""The plots of the last day, for days of any kind."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from figures import Slot, seconds_of
from telemetry import metrics
from web.admin.plots import HEIGHT, plots_of

BUCKETS = len(metrics.HTTP_REQUESTS.bounds) + 1
DAY = [
    Slot(datetime(2026, 11, 29, tzinfo=UTC) + timedelta(minutes=15 * number), times=(0,) * BUCKETS)
    for number in range(96)
]


def times(**counts):
    return tuple(counts.get(f"b{bucket}", 0) for bucket in range(BUCKETS))


def test_a_day_without_anything_has_plots_without_bars():
    plots = plots_of(DAY)
    assert [plot.title for plot in plots] == ["Pictures", "Captures", "Errors", "Time until a picture is answered"]
    assert not any(bar.parts for plot in plots for bar in plot.bars)
    assert all(len(plot.bars) == 96 for plot in plots)
    assert "nothing for half" in plots[-1].words


@pytest.mark.parametrize("known", [1, 7, 12, 99, 101, 1_234, 9_999_999])
def test_bars_are_as_high_as_what_they_count_and_end_below_a_round_number(known):
    plot = plots_of([*DAY[:-1], replace(DAY[-1], known=known, new=known)])[0]
    usual, other = plot.bars[-1].parts
    assert usual.y + usual.height == pytest.approx(HEIGHT, abs=0.2)
    assert other.y + other.height == pytest.approx(usual.y, abs=0.2)
    assert other.height == pytest.approx(usual.height, abs=0.2)
    assert 0 <= other.y <= HEIGHT / 2
    assert [line.value for line in plot.lines] == [f"{known:,}"] * 2


def test_what_is_rare_beside_much_else_is_still_seen():
    plot = plots_of([*DAY[:-1], replace(DAY[-1], captured=10_000, not_captured=1)])[1]
    assert plot.bars[-1].parts[1].height > 1
    assert plot.bars[-1].parts[1].y >= 0


def test_errors_of_our_own_are_named_the_most_frequent_first():
    first, last = (
        replace(DAY[0], failed=count, own_errors=errors)
        for count, errors in (
            (3, {"over_capacity": 2, "internal_error": 1}),
            (4, {"over_capacity": 1, "queue_unavailable": 3}),
        )
    )
    plots = {plot.title: plot for plot in plots_of([first, *DAY[1:-1], last])}
    assert plots["Errors"].causes == (("over_capacity", 3), ("queue_unavailable", 3), ("internal_error", 1))
    assert plots["Captures"].causes == plots_of(DAY)[2].causes == ()


def test_times_are_the_bounds_of_buckets():
    bounds = metrics.HTTP_REQUESTS.bounds
    assert seconds_of(0.5, times(b0=9, b10=1)) == bounds[0]
    assert seconds_of(0.95, times(b0=9, b10=1)) == bounds[10]
    assert seconds_of(0.5, times(**{f"b{BUCKETS - 1}": 3})) == bounds[-1]
    assert seconds_of(0.5, times()) is None
