"""How `/thumbs.js` is served, and what lets it read the answer to an `<img>`."""

import gzip

import pytest

from tests.support.screenshot_api import refuse
from tests.support.visitors import get

IMG = {"Accept": "image/avif,image/webp,*/*;q=0.8"}
CMS = "https://cms.example.com"


def test_pages_of_every_origin_may_load_the_script_and_keep_it_for_an_hour(client):
    answer = client.get("/thumbs.js")
    again = client.get("/thumbs.js", headers={"If-None-Match": answer.headers["ETag"]})

    assert (answer.status_code, answer.content_type) == (200, "text/javascript; charset=utf-8")
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert answer.headers["Cache-Control"] == "public, max-age=3600"
    assert (again.status_code, again.data) == (304, b"")


def test_the_script_is_small(client):
    assert len(gzip.compress(client.get("/thumbs.js").data)) < 2048


def test_a_placeholder_says_by_its_timing_whether_to_ask_again(client, api):
    api.latency = 0.5
    pending = get(client, headers=IMG, wait=0)
    refused = get(client, headers=IMG, w="nonsense")

    assert pending.headers["Server-Timing"] == f"thumb;dur={int(pending.headers['Retry-After']) * 1000}"
    assert "Server-Timing" not in refused.headers


def test_a_picture_and_a_failed_page_have_no_such_mark(client, api):
    api.behave(refuse(500, "internal_error"), times=9, url="https://broken.example/")
    answers = [get(client, headers=IMG), get(client, headers=IMG), get(client, "https://broken.example/", headers=IMG)]
    assert [answer.status_code for answer in answers] == [200, 200, 502]
    assert not any("Server-Timing" in answer.headers for answer in answers)


def test_pages_of_the_origins_that_may_read_pictures_read_the_mark_of_an_img(make_client):
    """An `<img>` names no origin, so the answer names those that may."""
    answer = get(make_client(cors_origins=f"{CMS},https://b.example.com"))
    assert answer.headers["Timing-Allow-Origin"] == f"{CMS}, https://b.example.com"
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize("setting", [{"signing_keys": "k" * 16}, {"api_keys": "cms:" + "s" * 20}])
def test_where_pictures_are_for_nobodys_scripts_the_mark_is_not_readable(make_client, setting):
    answer = make_client(**setting).get("/thumb", query_string={"url": "https://example.com/"}, headers=IMG)
    assert "Timing-Allow-Origin" not in answer.headers
