"""Which failures of a job are retried, and when."""

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
def test_a_permanent_refusal_of_the_api_is_not_retried(status):
    assert not is_transient(refused(status))


@pytest.mark.parametrize(
    "code",
    ["not_a_page", "selector_not_found", "certificate", "tls_failed", "too_many_redirects", "invalid_response"],
)
def test_a_page_that_will_not_change_is_not_retried(code):
    assert not is_transient(refused(422, code, "engine"))


@pytest.mark.parametrize(
    "code", ["page_failed", "page_crashed", "connection_refused", "connection_reset", "page_unreachable"]
)
def test_a_page_that_may_recover_is_retried(code):
    assert is_transient(refused(422, code, "engine"))


def test_a_feature_missing_from_the_plan_is_not_retried():
    outcomes = DIALECTS["snapsharp"].outcomes
    for status in (403, 429):
        assert not is_transient(CallFailure(outcomes[status, "plan_required"]).to_error())


@pytest.mark.parametrize("status", [408, 422, 429, 500, 502, 503, 504])
def test_a_temporary_error_of_the_api_is_retried(status):
    assert is_transient(refused(status))


@pytest.mark.parametrize("kind", [errors.BlockedTarget, errors.InvalidOption, errors.InvalidURL, errors.ForbiddenHost])
def test_an_invalid_request_is_not_retried(kind):
    assert not is_transient(kind("…"))


@pytest.mark.parametrize("kind", [errors.OverCapacity, errors.StorageUnavailable, errors.CaptureTimeout])
def test_a_busy_or_slow_dependency_is_retried(kind):
    assert is_transient(kind("…"))


def test_a_capture_that_was_not_attempted_waits_for_retry_after_with_some_jitter():
    assert not was_not_attempted(errors.UpstreamQuota("…", retry_after=3600))
    refused = errors.UpstreamQuota("…", retry_after=3600, tried=False)
    assert was_not_attempted(refused)
    delays = {postpone_delay(refused) for _ in range(100)}
    assert len(delays) > 50
    assert 3600 <= min(delays) <= max(delays) <= 3610
    assert not was_not_attempted(errors.UpstreamQuota("…", retry_after=3600, tried=False, lasting=True))


def test_a_job_tries_an_api_that_was_down_again_within_ten_seconds():
    refused = errors.UpstreamUnavailable("…", tried=False)
    assert max(postpone_delay(refused) for _ in range(1000)) < 10


def test_delays_grow_up_to_their_bound_and_differ():
    delays = {retry: [retry_delay(retry, None) for _ in range(200)] for retry in range(1, 20)}
    assert max(delays[1]) <= 10
    assert max(delays[MAX_RETRIES]) > 100
    assert max(map(max, delays.values())) <= LONGEST_DELAY == 300
    assert all(len(set(each)) > 100 for each in delays.values())


def test_retry_after_is_obeyed_up_to_the_longest_delay():
    assert retry_delay(1, 60) == 60
    assert retry_delay(1, 3600) == LONGEST_DELAY
    assert sum(retry_delay(retry, 5) for retry in range(1, MAX_RETRIES + 1)) >= 150, "an outage of two minutes"
