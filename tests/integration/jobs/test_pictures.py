"""A job's picture is served by this service, by S3 for a day, or by S3 permanently."""

import os
import time
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from jobs import BULK, PRUNE
from tests.support.processes import wait_until
from tests.support.s3 import running_s3
from tests.support.worker import running_worker

pytestmark = pytest.mark.slow

PAGE = "https://example.com/"


def ended(client, **options):
    """Create a job, wait for its end, and describe it."""
    id_ = client.post("/screenshots", json={"url": PAGE, **options}).json["job_id"]
    wait_until(lambda: client.get(f"/jobs/{id_}").json["status"] in ("completed", "failed"), "the job's end")
    return client.get(f"/jobs/{id_}").json


def test_without_s3_this_service_serves_the_picture(make_client, settings, tmp_path):
    client = make_client()
    with running_worker(tmp_path / "worker.log", **settings, resolve_targets="false"):
        jobs = {format_: ended(client, format=format_) for format_ in ("webp", "pdf")}
        kept = ended(client, persist=True)
        old = tmp_path / "media" / "jobs" / f"{ended(client)['job_id']}.png"
        os.utime(old, (0, time.time() - 25.5 * 3600))
        client.application.extensions["services"].jobs._app.send_task(PRUNE, queue=BULK)  # as beat does
        wait_until(lambda: not old.exists(), "the removal of an old picture")

    for format_, content_type in (("webp", "image/webp"), ("pdf", "application/pdf")):
        job = jobs[format_]
        assert job["image_url"] == f"http://localhost/jobs/{job['job_id']}/image"
        answer = client.get(job["image_url"])
        assert (answer.status_code, answer.content_type) == (200, content_type)
        assert answer.data == (tmp_path / "media" / "jobs" / f"{job['job_id']}.{format_}").read_bytes()
        assert client.get(f"/media/jobs/{job['job_id']}.{format_}").status_code == 404, "only /jobs/{id} serves it"
    assert kept["image_url"].startswith("http://localhost/media/thumbs/")
    assert client.get(f"/jobs/{old.stem}/image").status_code == 404
    assert client.get(kept["image_url"]).data == client.get(f"/jobs/{kept['job_id']}/image").data


def test_permanent_pictures_of_jobs_are_charged_as_those_of_persist(make_client, settings, tmp_path):
    size = make_client().post("/persist", json={"url": PAGE, "w": 200}).json["bytes"]
    client = make_client(persist_bytes_limit=2 * size)
    worker = settings | {"resolve_targets": "false", "persist_bytes_limit": 2 * size}
    with running_worker(tmp_path / "worker.log", **worker):
        first, second = (ended(client, persist=True, w=w) for w in (201, 400))
    same = client.post("/persist", json={"url": PAGE, "w": 400})
    other = client.post("/persist", json={"url": PAGE, "w": 400}, environ_base={"REMOTE_ADDR": "127.0.0.9"})

    assert (first["status"], second["status"]) == ("completed", "failed")
    assert second["error"]["code"] == "rate_limited"
    assert "bytes of permanent pictures per day" in second["error"]["detail"]
    assert (same.status_code, other.status_code) == (429, 201)


@pytest.fixture
def s3_settings(settings, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "an-s3-key-of-the-tests")
    with running_s3("pics") as url:
        yield settings | {"s3_bucket": "pics", "s3_region": "us-east-1", "s3_endpoint_url": url}


def test_with_s3_the_url_is_presigned_for_a_day_or_permanent(make_client, s3_settings, tmp_path):
    client = make_client(**s3_settings)
    credentials = {"aws_access_key_id": "test", "aws_secret_access_key": "an-s3-key-of-the-tests"}
    with running_worker(tmp_path / "worker.log", **s3_settings, **credentials, resolve_targets="false"):
        passing, kept = ended(client, format="jpeg"), ended(client, format="jpeg", persist=True)

    answer = requests.get(passing["image_url"], timeout=10)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "image/jpeg")
    assert answer.content == client.get(f"/jobs/{passing['job_id']}/image").data
    (expires,) = parse_qs(urlsplit(passing["image_url"]).query)["X-Amz-Expires"]
    assert 86000 < int(expires) <= 86400
    assert kept["image_url"].startswith(f"{s3_settings['s3_endpoint_url']}/pics/thumbs/")
    assert urlsplit(kept["image_url"]).query == ""
    assert not (tmp_path / "media").exists()
