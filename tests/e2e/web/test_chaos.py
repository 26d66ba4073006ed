"""`make chaos` in its short form: what clients get while one part after another dies, and how all of it comes back."""

import pytest

from bench.chaos import PATIENCE, SHORT, run

# The installation takes half a minute on a loaded machine, and each event may take until PATIENCE is over.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    report = run(tmp_path_factory.mktemp("chaos"), *SHORT)
    print(report.table(), *report.tally.notes, sep="\n")  # noqa: T201 - pytest shows it beside a failure
    return report


def by_event(report, what):
    return {event: report.count(event, what) for event in report.durations}


def test_known_pictures_are_served_through_all_of_it(report):
    assert all(by_event(report, "known asked").values())
    assert not any(by_event(report, "known 5xx").values())


def test_no_client_gets_the_picture_of_another_page(report):
    assert not any(by_event(report, "wrong").values())


def test_every_accepted_job_ends_with_its_picture(report):
    assert report.tally.jobs
    assert report.lost == []


def test_after_each_event_all_is_well_again(report):
    missed = {event: report.green[event] for event in report.durations if report.seconds_until_green(event) is None}
    assert missed == {}, f"not within {PATIENCE} s"
