"""`provenance=1`: pictures whose files tell when, from where and by what they were captured."""

import io
from datetime import datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import pytest
from PIL import Image

from access import sign
from jobs import CAPTURE, INTERACTIVE, TaskMessage
from tests.integration.metadata.conftest import saying
from tests.support import pictures
from tests.support.processes import wait_until
from tests.support.redis import age_pictures
from tests.support.visitors import PAGE, get

SECRET = "https://example.com/report;s=secret?token=secret#/secret"


def told(body):
    """The description of a picture's file, which has all of it."""
    image = Image.open(io.BytesIO(body))
    return image.info.get("Description") or image.getexif().get(0x010E)


def moment(body):
    return Image.open(io.BytesIO(body)).info["Creation Time"]


@pytest.mark.parametrize("format_", ["png", "webp", "jpeg", "avif", "auto"])
def test_a_picture_tells_where_its_page_led(client, engine_api, format_):
    engine_api.behave(saying(url="https://www.example.com/start?session=secret", status=200))
    answer = get(client, w=320, format=format_, provenance=1, headers={"Accept": "image/webp,image/*"})
    assert told(answer.data) == f"Screenshot of {PAGE}, which led to https://www.example.com/start"
    assert b"thumbnail-service (engine)" in answer.data


def test_it_is_another_picture_than_that_without_it_and_costs_no_capture(client, engine_api):
    plain, telling = get(client), get(client, provenance=1)
    again, off = get(client, provenance="yes"), get(client, provenance=0)

    assert (told(plain.data), told(telling.data)) == (None, f"Screenshot of {PAGE}")
    assert (again.data, off.data) == (telling.data, plain.data)
    assert [each.headers["X-Cache"] for each in (plain, telling, again, off)] == ["MISS", "HIT", "HIT", "HIT"]
    assert again.headers["ETag"] == telling.headers["ETag"] != plain.headers["ETag"]
    assert get(client, provenance=1, headers={"If-None-Match": telling.headers["ETag"]}).status_code == 304
    assert len(engine_api.calls) == 1


@pytest.mark.parametrize("memory", [0, 1 << 20])
def test_a_capture_for_it_serves_pictures_without_it(make_client, engine_api, memory):
    client = make_client(memory_cache_bytes=memory)
    small = {"w": 64, "format": "webp"}
    assert told(get(client, provenance=1, **small).data)
    assert told(get(client, provenance=1, **small).data), "by the fast path"
    assert told(get(client, **small).data) is None
    assert told(get(client, **small).data) is None
    assert len(engine_api.calls) == 1


def test_its_time_is_that_of_the_last_capture_even_if_the_page_looks_the_same(client, settings):
    first = get(client, provenance=1, w=320)
    age_pictures(settings["redis_url"], 100_000)
    assert get(client, provenance=1, w=320).headers["X-Cache"] == "STALE"
    wait_until(lambda: get(client, provenance=1, w=320).headers["X-Cache"] == "HIT", "the new capture")
    for answer in (first, get(client, provenance=1, w=320)):
        assert datetime.fromisoformat(moment(answer.data)) == parsedate_to_datetime(answer.headers["Last-Modified"])


def test_secrets_of_the_url_are_left_out(client):
    for format_ in ("png", "webp"):
        answer = get(client, SECRET, w=64, format=format_, provenance=1)
        assert told(answer.data) == "Screenshot of https://example.com/report"
        assert b"secret" not in answer.data


def test_a_picture_of_the_page_s_own_is_called_no_screenshot(client, engine_api, web):
    web.add("/og", pictures.photo(1200, 630), content_type="image/png")
    engine_api.behave(saying(status=200, image={"url": f"http://img.example:{web.port}/og"}))
    assert told(get(client, image="og", provenance=1).data) == f"Picture of {PAGE}"
    assert told(get(client, image="auto", provenance=1).data) == f"Picture of {PAGE}"
    assert told(get(client, provenance=1).data) == f"Screenshot of {PAGE}"


def test_permanent_pictures_tell_it_and_are_others_than_those_without(client):
    plain = client.post("/persist", json={"url": PAGE, "w": 320}).json
    kept = client.post("/persist", json={"url": PAGE, "w": 320, "provenance": True}).json
    assert kept["key"] != plain["key"]
    assert told(client.get(urlsplit(kept["url"]).path).data) == f"Screenshot of {PAGE}"
    assert told(client.get(urlsplit(plain["url"]).path).data) is None


def test_pictures_of_jobs_tell_it(client):
    id_ = client.post("/screenshots", json={"url": PAGE, "w": 320, "provenance": "true"}).json["job_id"]
    built = client.application.extensions["services"]
    run = built.jobs.store.runs.begin(TaskMessage(CAPTURE, INTERACTIVE, id_))
    built.job_pictures.record_outcome(run, built.job_pictures.capture(run.job))
    assert told(client.get(f"/jobs/{id_}/image").data) == f"Screenshot of {PAGE}"


@pytest.mark.parametrize("format_", ["pdf", "lqip"])
def test_a_format_that_cannot_tell_it_says_so(client, engine_api, format_):
    refused = get(client, format=format_, provenance=1)
    assert refused.json["detail"] == f"provenance: cannot be combined with format={format_}; remove it"
    assert engine_api.calls == []


def test_it_is_true_or_false(client, engine_api):
    assert get(client, provenance="exif").json["detail"] == "provenance: must be true or false"
    assert engine_api.calls == []


def test_a_signature_covers_it(make_client):
    client = make_client(signing_keys="a-signing-key-of-32-characters-xx")
    signature = sign("a-signing-key-of-32-characters-xx", [("url", PAGE)])
    assert get(client, sig=signature, w=320).status_code == 200
    assert get(client, sig=signature, w=320, provenance=1).status_code == 403


def test_pictures_of_sites_do_not_know_their_url(client):
    refused = client.get("/sites/1/image?provenance=1")
    assert (refused.status_code, refused.json["code"]) == (400, "invalid_option")
    assert refused.json["detail"].startswith("provenance: ")
