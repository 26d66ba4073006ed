"""When a site is due: by its schedule, and after failures."""

from datetime import UTC, datetime, timedelta

import pytest

from errors import InvalidOption
from sites.schedules import Keep, Schedule, next_due

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def middle(low, high):
    return (low + high) / 2


@pytest.mark.parametrize(
    ("text", "every"),
    [("hourly", HOUR), ("daily", DAY), ("weekly", 7 * DAY), ("30m", 30 * MINUTE), ("12h", 12 * HOUR), ("3d", 3 * DAY),
     ("5m", 5 * MINUTE), ("365d", 365 * DAY), ("never", None), ("viewed", None)],
)  # fmt: skip
def test_a_schedule_is_a_word_or_a_number_and_a_unit(text, every):
    schedule = Schedule.parse(text)
    assert (schedule.every, schedule.viewed) == (every, text == "viewed")


@pytest.mark.parametrize(
    "text", ["", "4m", "366d", "0d", "-1d", "1w", "1 d", "daily ", "12", "h", "９h", "1e3m", "Daily"]
)
def test_another_schedule_is_refused_with_its_field_and_the_valid_ones(text):
    with pytest.raises(InvalidOption, match=r"^schedule: must be never, viewed, hourly, .* 12h$"):
        Schedule.parse(text)


def test_sites_that_were_captured_together_are_due_at_different_times():
    due = {next_due("daily", NOON) for _ in range(100)}
    assert len(due) > 90
    assert all(NOON + 0.9 * DAY <= each <= NOON + 1.1 * DAY for each in due)
    assert next_due("never", NOON) is None
    assert next_due("viewed", NOON) is None


def after(failures, schedule="daily", *, transient=True):
    due = Schedule.parse(schedule).after_failure(failures, NOON, transient=transient, jitter=middle)
    return due and due - NOON


def test_a_failure_that_may_pass_is_retried_twice_within_minutes():
    assert [after(failures) for failures in (1, 2, 3)] == [MINUTE, 5 * MINUTE, DAY]
    assert [after(failures, "never") for failures in (1, 2, 3)] == [MINUTE, 5 * MINUTE, None]


def test_a_failure_that_stays_waits_for_the_schedule():
    assert after(1, transient=False) == DAY
    assert after(1, "never", transient=False) is None


def test_after_ten_failures_in_a_row_a_site_is_captured_once_a_week():
    assert [after(failures, "30m") for failures in (9, 10, 300)] == [30 * MINUTE, 7 * DAY, 7 * DAY]
    assert after(10, "30d") == 30 * DAY
    assert after(10, "never") is None
    assert [after(failures, "viewed", transient=False) for failures in (9, 10)] == [None, 7 * DAY]
    assert [Schedule.parse("daily").backs_off(failures) for failures in (9, 10)] == [False, True]


@pytest.mark.parametrize(
    ("text", "keep"),
    [("all", Keep()), ("30 versions", Keep(versions=30)), ("1 version", Keep(versions=1)), ("1 year", Keep(days=366)),
     ("2 weeks", Keep(days=14)), ("90 days", Keep(days=90))],
)  # fmt: skip
def test_retention_is_a_number_of_versions_or_a_time(text, keep):
    assert Keep.parse(text) == keep


@pytest.mark.parametrize("text", ["", "0 versions", "30", "1year", "some", "-1 days"])
def test_another_retention_is_refused(text):
    with pytest.raises(InvalidOption, match=r"^keep: must be all, or a number"):
        Keep.parse(text)
