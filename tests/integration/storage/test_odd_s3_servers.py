"""S3 servers that lack a call, refuse it, or are slow: pictures are stored where they can be, and the operator is told."""

import threading

import pytest
from structlog.testing import capture_logs

from errors import StorageUnavailable
from storage_backends import S3Storage
from storage_backends.s3_errors import HINTS, UNKNOWN
from tests.contract.test_storage_contract import JOB, picture
from tests.support.fake_s3 import Refusal, running_fake_s3

PAGE = "https://example.com/"


@pytest.fixture
def s3():
    with running_fake_s3() as server:
        yield server


@pytest.fixture(autouse=True)
def credentials(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "an-s3-key-of-the-tests")


def storage_on(s3, conditional="auto"):
    return S3Storage("pics", region="us-east-1", endpoint_url=s3.url, public_url=None, conditional=conditional)


def settings_of(s3, **more):
    return {"s3_bucket": "pics", "s3_region": "us-east-1", "s3_endpoint_url": s3.url, **more}


LACKING = [
    Refusal(501, "NotImplemented"),  # Backblaze B2
    Refusal(400, "InvalidArgument"),
    Refusal(403, "NotImplemented"),
    Refusal(403, "AccessDenied"),
    "ignored",
]


@pytest.mark.parametrize("answer", LACKING, ids=str)
def test_a_server_without_conditional_puts_keeps_the_first_picture(make_client, s3, answer):
    s3.conditional = answer
    client = make_client(**settings_of(s3))
    statuses = [client.post("/persist", json={"url": PAGE}).status_code for _ in range(2)]

    assert statuses == [201, 200]
    assert s3.count("PUT", "/pics/thumbs/") == 1
    assert s3.count("PUT", "/pics/health/") == 2, "the server was asked once, with and without the condition"
    assert not [call for call in s3.calls if "/thumbs/" in call and "if-none-match" in call]


def test_where_the_server_has_conditional_puts_the_first_process_wins(s3):
    first, second = storage_on(s3), storage_on(s3)
    second._exists = lambda _: False  # as if it had looked before the first one wrote
    assert first.put(picture()).created
    assert not second.put(picture()).created
    assert s3.count("PUT", "/pics/thumbs/") == 2


@pytest.mark.parametrize("answer", LACKING[:4], ids=str)
def test_a_refusal_tells_where_the_probe_could_not(s3, answer):
    """The credentials may not write below `health/`."""
    s3.refusal, s3.refused_path, s3.conditional = Refusal(403, "AccessDenied"), "/pics/health/", answer
    storage = storage_on(s3)
    with capture_logs() as events:
        assert storage.put(picture()).created
        assert storage.put(picture(b"another")).created
    assert [event["event"] for event in events] == ["conditional_put_lacking"]
    assert sum("if-none-match" in call for call in s3.calls) == 1


@pytest.mark.parametrize(("mode", "conditional"), [("on", True), ("off", False)])
def test_a_setting_replaces_the_probe(s3, mode, conditional):
    storage = storage_on(s3, mode)
    assert storage.put(picture()).created
    assert s3.count("PUT", "/pics/health/") == 0
    assert any("if-none-match" in call for call in s3.calls) is conditional


def test_what_is_set_on_but_lacking_is_told_to_the_operator(s3):
    s3.conditional = LACKING[0]
    with capture_logs() as events, pytest.raises(StorageUnavailable):
        storage_on(s3, "on").put(picture())
    assert "set it to auto or off" in events[-1]["hint"]


REFUSALS = [
    (Refusal(404, "NoSuchBucket"), "S3_BUCKET"),
    (Refusal(403, "AccessDenied"), "put, get and delete"),
    (Refusal(403, "InvalidAccessKeyId"), "AWS_ACCESS_KEY_ID"),
    (Refusal(403, "SignatureDoesNotMatch"), "AWS_SECRET_ACCESS_KEY"),
    (Refusal(403, "RequestTimeTooSkewed"), "clock"),
    (Refusal(400, "ExpiredToken"), "AWS_SESSION_TOKEN"),
    (Refusal(301, "PermanentRedirect"), "S3_REGION"),
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


@pytest.mark.parametrize("status", [301, 400])
def test_a_wrong_region_is_told_also_where_a_head_has_no_code(s3, status):
    s3.refusal, s3.refused = Refusal(status), ("HEAD",)
    with capture_logs() as events, pytest.raises(StorageUnavailable):
        storage_on(s3).put(picture())
    assert "S3_REGION" in events[-1]["hint"]


def test_a_server_that_cannot_be_reached_is_told(s3):
    away = S3Storage("pics", region="us-east-1", endpoint_url="http://127.0.0.1:1", public_url=None)
    with capture_logs() as events, pytest.raises(StorageUnavailable):
        away.put(picture())
    assert events[-1]["hint"] == HINTS["EndpointConnectionError"]


def test_ready_proves_a_write_and_a_read_at_most_once_a_minute(make_client, s3):
    client = make_client(**settings_of(s3))
    assert [client.get("/ready").json["storage"] for _ in range(3)] == ["ok"] * 3
    assert s3.calls == ["PUT /pics/health/ready", "GET /pics/health/ready"]


@pytest.mark.parametrize("refused", ["PUT", "GET"])
def test_ready_sees_a_bucket_that_only_answers_a_head(make_client, s3, refused):
    s3.refusal, s3.refused = Refusal(403, "AccessDenied"), (refused,)
    ready = make_client(**settings_of(s3)).get("/ready")
    assert (ready.status_code, ready.json["storage"]) == (503, "unreachable")


def test_ready_does_not_wait_for_a_server_that_does_not_answer(make_client, s3):
    s3.gate = threading.Event()
    client = make_client(**settings_of(s3))
    with capture_logs() as events:
        assert [client.get("/ready").json["storage"] for _ in range(2)] == ["unreachable"] * 2
    assert s3.calls == ["PUT /pics/health/ready"], "the second call did not begin another check"
    assert [event["hint"] for event in events if event["event"] == "storage_unavailable"] == [
        HINTS["TimeoutError"],
        HINTS["TimeoutError"],
    ]
