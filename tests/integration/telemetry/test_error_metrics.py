"""Each error that a caller gets is counted once, by whose fault it is, in whatever form the caller gets it."""

import shutil

import pytest

from tests.support.admin import KEY, log_in
from tests.support.screenshot_api import refuse
from tests.support.visitors import PAGE, get

TOTAL = "thumbnails_errors_total"


@pytest.fixture
def settings(settings, _migrated_file, tmp_path):
    shutil.copy(_migrated_file, tmp_path / "thumbnails.db")
    return settings | {"dialects": "thumio", "admin_key": KEY, "database_url": f"sqlite:///{tmp_path}/thumbnails.db"}


DEAD = {
    "problem": lambda client: get(client).status_code == 502,
    "placeholder": lambda client: get(client, headers={"Accept": "image/*"}).status_code == 502,
    "thum.io's words": lambda client: client.get(f"/get/width/320/{PAGE}").status_code >= 400,
    "SnapSharp's envelope": lambda client: client.get("/v1/screenshot", query_string={"url": PAGE}).status_code >= 400,
    "card": lambda client: client.get("/embed", query_string={"url": PAGE, "wait": 10}).status_code == 502,
    "metadata": lambda client: client.get("/meta", query_string={"url": PAGE, "wait": 10}).status_code == 502,
    "form": lambda client: "capture_failed" in client.post("/", data={"url": PAGE}).text,
    "stored": lambda client: client.post("/persist", json={"url": PAGE}).status_code == 502,
}


@pytest.mark.parametrize("ask", DEAD.values(), ids=DEAD)
def test_a_page_that_cannot_be_captured_is_the_fault_of_the_page(client, api, count, ask):
    api.behave(refuse(422, "page_error"), times=10)
    assert ask(client)
    assert count(TOTAL, code="capture_failed", fault="page") == count(TOTAL) == 1


@pytest.mark.parametrize("ask", [DEAD[name] for name in ("problem", "card", "form")], ids=["problem", "card", "form"])
def test_an_api_that_is_down_is_the_fault_of_the_service(client, api, count, ask):
    api.behave(refuse(503, "down"), times=10)
    ask(client)
    assert count(TOTAL, code="upstream_unavailable", fault="service") == count(TOTAL) == 1


def test_a_host_that_is_captured_as_often_as_it_may_be_is_not_the_fault_of_the_service(make_client, count):
    client = make_client(target_limit="1 per minute")
    for path in "12":
        get(client, f"https://example.com/{path}")
    assert count(TOTAL, code="target_busy", fault="page") == count(TOTAL) == 1


@pytest.mark.parametrize(
    ("path", "accept"), [("/nowhere", "*/*"), ("/nowhere", "text/html"), ("/thumb", "*/*"), ("/thumb?url=x", "*/*")]
)
def test_a_wrong_request_is_the_fault_of_the_caller(client, count, path, accept):
    assert client.get(path, headers={"Accept": accept}).status_code in (400, 404)
    assert count(TOTAL, fault="caller") == count(TOTAL) == 1


def test_a_bug_is_the_fault_of_the_service_on_pages_and_for_programs(client, count, monkeypatch):
    log_in(client)
    services = client.application.extensions["services"]
    monkeypatch.setattr(services.catalogue, "counts", lambda: 1 / 0)
    assert client.get("/admin").status_code == 500
    assert count(TOTAL, code="internal_error", fault="service") == 1
    monkeypatch.setattr(services.thumbnailer, "get", lambda *_: 1 / 0)
    assert get(client).status_code == 500
    assert count(TOTAL, code="internal_error", fault="service") == count(TOTAL) == 2
