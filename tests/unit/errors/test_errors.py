import copy
import json
import pickle

import pytest

import errors
from errors import (
    BlockedTarget,
    CaptureError,
    CaptureFailed,
    CaptureTimeout,
    CostLimited,
    ErrorStatus,
    Fault,
    InvalidOption,
    InvalidURL,
    NoSuchElement,
    OverCapacity,
    RateLimited,
    StorageLimited,
    TargetBusy,
    ThumbnailError,
    UpstreamUnavailable,
    from_record,
    to_record,
)


def test_an_error_cannot_be_changed():
    err = InvalidOption("must be a number", field="width")
    with pytest.raises(AttributeError, match="immutable"):
        err.field = "height"
    with pytest.raises(AttributeError, match="immutable"):
        err.detail = "something else"
    assert err.detail == str(err) == "width: must be a number"


def test_the_public_text_begins_with_the_field():
    assert InvalidURL("is missing").detail == "url: is missing"
    assert InvalidOption("the query has too many options").detail == "the query has too many options"


def test_the_same_error_can_be_about_another_field():
    first = BlockedTarget("the port must be 80 or 443", verdict="port")
    second = first.about("urls[3]")
    assert (second.field, second.detail, second.verdict) == ("urls[3]", "urls[3]: the port must be 80 or 443", "port")
    assert first.field == "url"


def test_a_copy_without_its_trace_holds_nothing_of_the_caller():
    secret = "https://example.com/?token=secret"

    def refuse(text):
        try:
            raise ValueError(text)  # noqa: TRY301 - as a parser would
        except ValueError:
            raise RateLimited("limit reached", limit=30, retry_after=7)  # noqa: B904 - the context is the point

    with pytest.raises(RateLimited) as caught:
        refuse(secret)
    caught.value.add_note(secret)
    clean = caught.value.untraced()
    assert (clean.__traceback__, clean.__context__, clean.__cause__) == (None, None, None)
    assert "secret" not in repr(vars(clean))
    assert (clean.detail, clean.limit, clean.retry_after) == ("limit reached", 30, 7)


def test_a_raised_error_still_collects_its_traceback_and_cause():
    cause = ValueError("why")
    with pytest.raises(CaptureTimeout) as caught:
        raise CaptureTimeout("too slow") from cause
    assert caught.value.__cause__ is cause
    assert caught.value.__traceback__ is not None


@pytest.mark.parametrize(
    "err",
    [
        BlockedTarget("the target is not a public web address"),
        InvalidOption("must be a CSS selector", field="selector"),
        CaptureTimeout("the page was not captured in time", lasting=True, tried=False),
        ErrorStatus("the page answered 404", page_status=404, lasting=True),
        ErrorStatus("the page answered 503", page_status=503),
        NoSuchElement("no element of the page matched the selector", field="wait_for"),
    ],
    ids=lambda err: err.code,
)
def test_a_kept_error_is_read_back_as_it_was(err):
    read = from_record(json.loads(json.dumps(to_record(err))), retry_after=9)
    assert type(read) is type(err)
    assert (read.detail, read.field, read.retry_after) == (err.detail, err.field, 9)
    assert getattr(read, "lasting", None) == getattr(err, "lasting", None)
    assert (read.retryable, getattr(read, "page_status", None)) == (err.retryable, getattr(err, "page_status", None))
    assert getattr(read, "tried", None) == getattr(err, "tried", None)


def test_a_code_that_is_not_kept_is_no_error():
    assert from_record({"code": "rate_limited", "reason": "…", "field": ""}) is None


def kinds():
    return [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, ThumbnailError)]


@pytest.mark.parametrize("kind", kinds(), ids=lambda kind: kind.__name__)
def test_an_error_survives_a_copy_and_a_pickle(kind):
    """Celery sends a task's error from one process to another."""
    err = kind("why", field="width", retry_after=7)
    for other in (copy.copy(err), copy.deepcopy(err), pickle.loads(pickle.dumps(err))):
        assert type(other) is kind
        assert (other.args, vars(other)) == (err.args, vars(err))


@pytest.mark.parametrize(
    ("err", "fault"),
    [
        (ErrorStatus("the page answered 503", page_status=503), Fault.PAGE),
        (CaptureTimeout("too slow"), Fault.PAGE),
        (TargetBusy.reached(10, 60, 7), Fault.PAGE),
        (CaptureTimeout("the API does not answer", upstream=True), Fault.SERVICE),
        (CaptureFailed("the API sent no picture", upstream=True), Fault.SERVICE),
        (UpstreamUnavailable("its plan lacks an option", upstream=False), Fault.SERVICE),
        (CostLimited("spent"), Fault.SERVICE),
        (OverCapacity("full"), Fault.SERVICE),
        (ThumbnailError("a bug"), Fault.SERVICE),
        (StorageLimited("stored enough"), Fault.CALLER),
        (BlockedTarget("not public"), Fault.CALLER),
    ],
    ids=lambda each: getattr(each, "code", each),
)
def test_an_error_says_whose_fault_it_is(err, fault):
    assert err.fault is fault
    assert copy.copy(err).fault is err.about("url").fault is fault


@pytest.mark.parametrize("kind", kinds(), ids=lambda kind: kind.__name__)
def test_a_refusal_is_not_the_fault_of_the_service_and_a_failure_of_its_own_is_no_refusal(kind):
    if kind in (ThumbnailError, CaptureError):
        return
    fault = kind("why").fault
    assert (fault is Fault.SERVICE) <= (kind.status >= 500)
    assert (fault is Fault.NOBODY) == (kind.status < 400)
