"""`GET /card/…`: a picture made from a template and data, served as `/thumb` serves a page."""

import io
import re
from urllib.parse import parse_qsl

import pytest
from PIL import Image
from structlog.testing import capture_logs

from access import sign
from tests.support.command_line import runner_for
from tests.support.screenshot_api import refuse

SIGNING_KEY = "a-signing-key-of-32-characters-xx"


def card(client, template="mine.png", headers=None, **data):
    return client.get(f"/card/{template}", query_string={"title": "Hello", **data}, headers=headers)


def size(answer):
    assert answer.status_code == 200, answer.data
    return Image.open(io.BytesIO(answer.data)).size


def test_a_card_is_a_picture_of_the_size_of_its_template(client, api):
    answer = card(client)
    assert size(answer) == (1000, 500)
    assert (answer.content_type, answer.headers["X-Cache"]) == ("image/png", "MISS")
    assert "Hello" in api.calls[0].params["html"]
    assert "network" not in api.calls[0].params


def test_one_capture_serves_all_sizes_and_formats(client, api):
    answers = [
        card(client),
        card(client, "mine.webp", w=500),
        card(client, "mine.jpg", w=250, h=250),
        card(client, "mine.avif"),
    ]
    assert [size(each) for each in answers] == [(1000, 500), (500, 250), (250, 250), (1000, 500)]
    assert [each.content_type for each in answers] == ["image/png", "image/webp", "image/jpeg", "image/avif"]
    assert len(api.calls) == 1
    assert size(card(client, scale=2)) == (2000, 1000)


def test_the_same_data_written_otherwise_is_the_same_card(client, api):
    card(client, note="", count="1")
    assert card(client, title=" Hello  ", count="1.0", utm_source="mail").headers["X-Cache"] == "HIT"
    assert card(client, title="Goodbye").headers["X-Cache"] == "MISS"
    assert len(api.calls) == 2


@pytest.mark.parametrize(
    ("data", "detail"),
    [
        ({"count": "x"}, "count: must be a number such as 12 or 4.5. The variables"),
        ({"title": ""}, "title: is missing. The variables"),
        ({"titel": "x"}, "titel: is unknown. The variables"),
    ],
)
def test_one_wrong_variable_is_named_once(client, data, detail):
    assert card(client, **data).json["detail"].startswith(detail)


def test_a_card_is_validated_by_its_etag(client):
    first = card(client)
    assert "max-age" in first.headers["Cache-Control"]
    again = card(client, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


def test_all_that_is_wrong_with_the_data_is_listed_with_all_variables(client, api):
    answer = client.get("/card/mine.png?titel=Hello&count=many")
    assert (answer.status_code, answer.json["code"]) == (400, "invalid_card")
    for words in ("count: must be a number", "missing: title", "unknown: titel", "title, note, count"):
        assert words in answer.json["detail"]
    assert "many" not in answer.json["detail"]
    assert api.calls == []


def test_an_unknown_template_is_a_404_that_names_those_that_there_are(client):
    answer = client.get("/card/yours.png?title=Hello")
    assert (answer.status_code, answer.json["code"]) == (404, "unknown_template")
    assert "article" in answer.json["detail"]
    assert "mine" in answer.json["detail"]


@pytest.mark.parametrize("path", ["mine", "mine.pdf", "mine.svg", "mine.png/", "", "a/b.png"])
def test_another_path_is_refused(client, path):
    assert client.get(f"/card/{path}?title=Hello").status_code in (400, 404)


@pytest.mark.parametrize(
    "query", ["title=A&title=B", "title=A&w=7", "title=A&w=1&w=2", "title=A&scale=9", "title=" + "x" * 41]
)
def test_a_wrong_option_is_a_400(client, query):
    assert client.get(f"/card/mine.png?{query}").status_code == 400


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("title=%FF", (200, 400)),
        ("title=%00", (400,)),
        ("title=a%07", (400,)),
        ("title=%ED%A0%80", (200, 400)),
        ("title=%E2%80%AEgnp.exe", (200,)),
        ("title=a&note=" + "x" * 10_000, (400,)),
        ("title=a&" + "b=c&" * 300, (400,)),
        ("title", (400,)),
        ("%74itle=a", (200,)),
        ("title=%3Cscript%3Ealert(1)%3C/script%3E", (200,)),
        ("title=a&picture=javascript:alert(1)", (400,)),
        ("title=a&picture=file:///etc/passwd", (400,)),
    ],
)
def test_what_is_no_text_is_refused_or_shown_safely(client, api, query, status):
    answer = client.get(f"/card/mine.png?{query}")
    assert answer.status_code in status
    drawn = "".join(call.params["html"] for call in api.calls)
    assert not {"\u202e", "\x00", "<script>alert"} & {
        each for each in ("\u202e", "\x00", "<script>alert") if each in drawn
    }


def test_an_image_gets_its_error_as_a_picture_of_the_size_of_a_card(client):
    answer = client.get("/card/mine.png", headers={"Accept": "image/avif,image/webp,*/*;q=0.1"})
    assert (answer.status_code, answer.headers["X-Error-Code"]) == (400, "invalid_card")
    assert Image.open(io.BytesIO(answer.data)).size == (1000, 500)


def test_the_log_names_the_template_and_no_data(client):
    with capture_logs() as events:
        card(client, title="Secret")
        card(client, title="Secret")
    requests = [each for each in events if each["event"] == "request"]
    assert [each["route"] for each in requests] == ["thumbs.card"] * 2
    assert all(re.fullmatch("card:mine@[0-9a-f]{12}", each["host"]) for each in requests)
    assert "Secret" not in str(events)


def test_a_signature_covers_template_data_and_line_breaks_and_neither_size_nor_format(make_client):
    client = make_client(signing_keys=SIGNING_KEY)
    data = {"title": "Hello", "note": "one\ntwo"}
    signature = sign(SIGNING_KEY, [("template", "mine"), ("title", "Hello"), ("note", "one\\ntwo")])
    assert card(client, **data).json["code"] == "bad_signature"
    assert size(card(client, **data, sig=signature)) == (1000, 500)
    assert size(card(client, "mine.webp", **data, sig=signature, w=640)) == (640, 320)
    for other in ({"title": "Other"}, {"scale": "2"}, {"note": "one\nthree"}):
        assert card(client, **data | other, sig=signature).status_code == 403
    assert card(client, "mine.png", **data, sig=signature, w=641).status_code == 400
    assert (
        client.get(
            "/card/page.png", query_string={"title": "Hello", "url": "https://example.com/", "sig": signature}
        ).status_code
        == 403
    )


def test_the_command_line_signs_what_the_service_accepts(make_client):
    client = make_client(signing_keys=SIGNING_KEY)
    run = runner_for(client.application.extensions["services"])
    options = ("-o", "title=Hello & more", "-o", "note=one\ntwo", "-o", "format=webp", "-o", "w=640")
    printed = run("sign", "--card", "mine", *options, "--expires-in", "60").stdout.splitlines()[-1]
    assert size(client.get(printed)) == (640, 320)
    assert "missing: title" in run("sign", "--card", "mine").output
    assert "article" in run("sign", "--card", "yours", "-o", "title=x").output
    assert "either" in run("sign").output


def test_a_picture_in_the_data_is_fetched_by_the_engine(client, api):
    card(client, picture="https://img.example.com/a.png")
    assert api.calls[0].params["network"] is True


def test_a_card_of_a_page_shows_its_thumbnail_which_is_captured_first(client, api):
    answer = card(client, "page.png", url="https://example.com/")
    assert size(answer) == (1200, 630)
    page, drawn = api.calls
    assert page.params["url"] == "https://example.com/"
    assert "data:image/jpeg;base64," in drawn.params["html"]
    assert "network" not in drawn.params
    assert card(client, "page.webp", url="https://example.com/", w=600).headers["X-Cache"] == "HIT"
    assert len(api.calls) == 2


def test_a_page_that_fails_leaves_a_card_without_it_for_a_moment(client, api):
    api.behave(refuse(502, "upstream", "down"), times=9, url="https://down.example/")
    answer = card(client, "page.png", url="https://down.example/")
    assert size(answer) == (1200, 630)
    assert (answer.headers["X-Cache"], answer.headers["X-Thumb-State"]) == ("STALE", "stale")
    assert answer.headers["Cache-Control"] == "public, max-age=60"
    assert "data:image" not in api.calls[-1].params["html"]


@pytest.mark.parametrize("url", ["http://127.0.0.1/", "http://metadata.google.internal/", "http://localhost:8080/"])
def test_a_card_shows_no_internal_page(client, api, url):
    answer = card(client, "page.png", url=url)
    assert answer.status_code == 400
    assert answer.json["detail"].startswith("url: ")
    assert api.calls == []


def test_a_page_that_its_operator_does_not_allow_is_not_shown(make_client):
    client = make_client(allowed_targets="example.com")
    assert card(client, "page.png", url="https://example.org/").json["code"] == "forbidden_host"
    assert size(card(client)) == (1000, 500)


def test_a_program_learns_the_state_of_a_card(client):
    answer = card(client, headers={"Accept": "application/json"}, wait=20)
    assert (answer.status_code, answer.json["state"], answer.json["width"]) == (200, "ready", 1000)
    assert "wait" not in dict(parse_qsl(answer.json["picture"].partition("?")[2]))


def test_a_card_that_takes_its_time_is_a_placeholder_for_now(client, api):
    api.latency = 2
    answer = card(client, wait=0, headers={"Accept": "image/*"})
    assert (answer.status_code, answer.headers["X-Thumb-State"]) == (202, "pending")
