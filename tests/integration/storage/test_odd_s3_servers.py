"""S3 servers that lack a call, refuse it, or are slow: pictures are stored where they can be, and the operator is told."""

import pytest
from structlog.testing import capture_logs

from errors import StorageUnavailable
from storage_backends import S3Storage
from storage_backends.s3_errors import HINTS, UNKNOWN
from tests.contract.test_storage_contract import JOB, picture
from tests.support.fake_s3 import Refusal, running_fake_s3


@pytest.fixture
def s3():
    with running_fake_s3() as server:
        yield server


@pytest.fixture(autouse=True)
def credentials(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "an-s3-key-of-the-tests")


def storage_on(s3):
    return S3Storage("pics", region="us-east-1", endpoint_url=s3.url, public_url=None)


REFUSALS = [
    (Refusal(404, "NoSuchBucket"), "S3_BUCKET"),
    (Refusal(403, "AccessDenied"), "put, get and delete"),
    (Refusal(403, "InvalidAccessKeyId"), "AWS_ACCESS_KEY_ID"),
    (Refusal(403, "SignatureDoesNotMatch"), "AWS_SECRET_ACCESS_KEY"),
    (Refusal(403, "RequestTimeTooSkewed"), "clock"),
    (Refusal(400, "ExpiredToken"), "AWS_SESSION_TOKEN"),
    (Refusal(400, "AuthorizationHeaderMalformed", region="eu-west-3"), "(it is eu-west-3)"),
    (Refusal(400, "IllegalLocationConstraintException", {"x-amz-bucket-region": "eu-west-3"}), "(it is eu-west-3)"),
    (Refusal(501, "NotImplemented"), "lacks this call"),
    (Refusal(503, "SlowDown"), "higher rate"),
    (Refusal(507, "XMinioStorageFull"), "full"),
    (Refusal(418, "Teapot"), UNKNOWN),
]


@pytest.mark.parametrize(("refusal", "says"), REFUSALS, ids=lambda value: getattr(value, "code", ""))
def test_the_log_says_what_to_do_about_a_refusal(s3, refusal, says):
    s3.refusal = refusal
    with capture_logs() as events, pytest.raises(StorageUnavailable):
        storage_on(s3).put_for_job(picture(), JOB)
    assert (events[-1]["event"], events[-1]["code"]) == ("storage_unavailable", refusal.code)
    assert says in events[-1]["hint"]


def test_a_wrong_region_is_told_also_where_a_head_has_no_code(s3):
    s3.refusal, s3.refused = Refusal(400), ("HEAD",)
    with capture_logs() as events, pytest.raises(StorageUnavailable):
        storage_on(s3).put(picture())
    assert "S3_REGION" in events[-1]["hint"]


def test_a_server_that_cannot_be_reached_is_told(s3):
    away = S3Storage("pics", region="us-east-1", endpoint_url="http://127.0.0.1:1", public_url=None)
    with capture_logs() as events, pytest.raises(StorageUnavailable):
        away.put(picture())
    assert events[-1]["hint"] == HINTS["EndpointConnectionError"]
