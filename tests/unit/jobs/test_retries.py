"""What a job tries again, and when."""

import pytest

import errors
from capture.dialects import DIALECTS
from capture.outcomes import CallFailure, read_failure
from jobs.retries import LONGEST_DELAY, MAX_RETRIES, is_transient, postpone_delay, retry_delay, was_not_attempted


def refused(status, code="", api="snapsharp"):
    dialect = DIALECTS[api]
    body = f'{{"error": "{code}"}}'.encode()
    return read_failure(dialect.envelope, dialect.outcomes, status, None, body).to_error()


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_what_the_api_refuses_for_good_is_not_tried_again(status):
    assert not is_transient(refused(status))


def test_a_page_that_our_engine_found_gone_is_not_tried_again_and_one_that_failed_is():
    assert not is_transient(refused(422, "page_refused", "engine"))
    assert is_transient(refused(422, "page_failed", "engine"))


def test_a_plan_that_lacks_something_does_not_get_it_by_waiting():
    (code,) = [code for status, code in DIALECTS["snapsharp"].outcomes if code == "plan_required"]
    assert not is_transient(CallFailure(DIALECTS["snapsharp"].outcomes[429, code]).to_error())


@pytest.mark.parametrize("status", [408, 422, 429, 500, 502, 503, 504])
def test_what_may_pass_is_tried_again(status):
    assert is_transient(refused(status))


@pytest.mark.parametrize("kind", [errors.BlockedTarget, errors.InvalidOption, errors.InvalidURL, errors.ForbiddenHost])
def test_what_is_wrong_with_the_wish_itself_is_not_tried_again(kind):
    assert not is_transient(kind("…"))


@pytest.mark.parametrize("kind", [errors.OverCapacity, errors.StorageUnavailable, errors.CaptureTimeout])
def test_what_is_only_busy_is_tried_again(kind):
    assert is_transient(kind("…"))


def test_what_was_not_tried_waits_for_as_long_as_it_must_and_a_little_more_each():
    assert not was_not_attempted(errors.UpstreamQuota("…", retry_after=3600))
    refused = errors.UpstreamQuota("…", retry_after=3600, tried=False)
    assert was_not_attempted(refused)
    pauses = {postpone_delay(refused) for _ in range(100)}
    assert len(pauses) > 50
    assert 3600 <= min(pauses) <= max(pauses) <= 3610
    assert not was_not_attempted(errors.UpstreamQuota("…", retry_after=3600, tried=False, lasting=True))


def test_pauses_grow_within_their_bound_and_differ():
    pauses = {retry: [retry_delay(retry, None) for _ in range(200)] for retry in range(1, 20)}
    assert max(pauses[1]) <= 10
    assert max(pauses[MAX_RETRIES]) > 100
    assert max(map(max, pauses.values())) <= LONGEST_DELAY == 300
    assert all(len(set(each)) > 100 for each in pauses.values())


def test_retry_after_is_obeyed_up_to_the_longest_pause():
    assert retry_delay(1, 60) == 60
    assert retry_delay(1, 3600) == LONGEST_DELAY
