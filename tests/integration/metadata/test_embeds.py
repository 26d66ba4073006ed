"""Link cards in frames (`/embed`), as HTML to paste, and by oEmbed."""

import html
import re
import threading
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree as ET

import pytest

from access import sign
from tests.integration.metadata.conftest import saying
from tests.support.processes import wait_until
from tests.support.screenshot_api import refuse
from tests.support.visitors import PAGE

NASTY = "<script>alert(1)</script>\" onload='x' & é"
KEY = "a-secret-of-16-characters"
SAID = {
    "status": 200,
    "title": "A garden",
    "description": "Described.",
    "site_name": "Gardens",
    "author": "Ada",
    "language": "de",
}


def embed(client, headers=None, **options):
    return client.get("/embed", query_string={"url": PAGE, **options}, headers=headers)


def oembed(client, **options):
    return client.get("/oembed", query_string={"url": PAGE, **options})


def sources(markup):
    return [html.unescape(each) for each in re.findall(r'(?:src|href)="([^"]*)"', markup)]


def directives(answer):
    parts = (each.strip().partition(" ") for each in answer.headers["Content-Security-Policy"].split(";"))
    return {name: value for name, _, value in parts}


def test_a_card_shows_the_page_and_leads_to_it(client, engine_api):
    engine_api.behave(saying(**SAID))
    answer = embed(client)

    assert (answer.status_code, answer.content_type) == (200, "text/html; charset=utf-8")
    assert all(each in answer.text for each in ("A garden", "Described.", "example.com", f'href="{PAGE}"', 'lang="de"'))
    paths = [each for each in sources(answer.text) if each.startswith(("/thumb", "/icon", "/static"))]
    assert [client.get(each).status_code for each in paths] == [200] * 3
    assert "<script" not in answer.text
    assert "Refresh" not in answer.headers
    assert len(engine_api.calls) == 1


def test_any_site_may_frame_a_card_and_it_may_run_nothing(client, engine_api):
    engine_api.behave(saying(**SAID))
    rules = directives(embed(client))

    assert rules["frame-ancestors"] == "*"
    assert rules["default-src"] == "'none'"
    assert rules["sandbox"].split() == ["allow-popups", "allow-popups-to-escape-sandbox"]
    assert "script-src" not in rules


@pytest.mark.parametrize("options", [{}, {"as": "html"}, {"as": "html", "theme": "dark"}])
def test_what_a_page_says_is_text(client, engine_api, options):
    engine_api.behave(saying(title=NASTY, description=NASTY, site_name=NASTY, language="de"))
    text = embed(client, **options).text

    assert "<script" not in text
    assert "onload='x'" not in re.sub(r"&#39;|&#x27;", "", text)
    assert html.escape("<script>alert(1)</script>") in text


def test_a_card_is_html_to_paste(client, engine_api):
    engine_api.behave(saying(**SAID))
    answer = embed(client, **{"as": "html"})
    picture = next(each for each in sources(answer.text) if "/thumb" in each)

    assert answer.content_type == "text/plain; charset=utf-8"
    assert answer.text.startswith(f'<a href="{PAGE}"')
    assert picture.startswith("http://localhost/thumb?")
    assert client.get(picture).status_code == 200
    assert "class=" not in answer.text


@pytest.mark.parametrize("options", [{}, {"fresh": 1}])
def test_a_page_without_its_scheme_is_linked_as_it_answers(client, engine_api, options):
    gone = refuse(422, "connection_refused", extras={"retryable": False})
    engine_api.behave(gone, times=9, url="https://old.example/a")
    engine_api.behave(saying(status=200), times=9, url="http://old.example/a")
    for _ in range(2):
        card, told = (
            client.get(path, query_string={"url": "old.example/a", **options}) for path in ("/embed", "/meta")
        )
        assert 'href="http://old.example/a"' in card.text
        assert told.json["url"] == "http://old.example/a"


def test_a_page_that_fails_is_linked_as_it_answered_before(client, engine_api):
    gone = refuse(422, "connection_refused", extras={"retryable": False})
    engine_api.behave(gone, times=9, url="https://old.example/b")
    engine_api.behave(saying(status=200), url="http://old.example/b")
    engine_api.behave(gone, times=9, url="http://old.example/c")
    embed(client, url="old.example/b")

    assert 'href="http://old.example/c"' in embed(client, url="old.example/c").text


@pytest.mark.parametrize(
    ("host", "shown"),
    [
        ("bücher.example", "bücher.example"),
        ("例え.example", "例え.example"),
        ("аррӏе.example", "xn--80ak6aa92e.example"),
    ],
)
def test_a_card_names_the_host_as_its_readers_know_it(client, engine_api, host, shown):
    engine_api.behave(saying(status=200), times=2)
    for form in ("frame", "html"):
        text = embed(client, url=f"https://www.{host}/", **{"as": form}).text
        assert f">{shown}<" in text


def test_a_card_of_an_unknown_page_tries_again_by_itself(client, engine_api):
    gate = threading.Event()
    engine_api.hold(gate)
    waiting = embed(client, wait=0)
    gate.set()
    wait_until(lambda: embed(client, wait=0).status_code == 200, "the capture")

    assert (waiting.status_code, waiting.headers["Cache-Control"]) == (202, "no-store")
    assert waiting.headers["Refresh"] == "1"
    assert "example.com" in waiting.text
    assert "wait=" not in next(each for each in sources(waiting.text) if each.startswith("/thumb"))


@pytest.mark.parametrize("form", ["frame", "html"])
def test_what_waits_in_a_dark_card_is_dark_too(client, engine_api, form):
    engine_api.behave(saying(**SAID))
    themes = {
        theme: [each for each in sources(embed(client, **{"theme": theme, "as": form}).text) if "theme=dark" in each]
        for theme in ("dark", "auto")
    }
    assert themes["dark"]
    assert themes["auto"] == []


def test_a_card_of_a_page_that_fails_says_so_and_leads_to_it(client, engine_api):
    engine_api.behave(refuse(422, "page_status", "the page answered 404", extras={"page_status": 404}))
    answer = embed(client)

    assert (answer.status_code, answer.headers["Cache-Control"]) == (502, "no-store")
    assert "the page answered with an error" in answer.text
    assert f'href="{PAGE}"' in answer.text
    assert "Refresh" not in answer.headers
    assert directives(answer)["frame-ancestors"] == "*"


@pytest.mark.parametrize("url", ["http://169.254.169.254/", "javascript:alert(1)", "http://localhost/", ""])
def test_a_card_of_a_url_that_is_refused_leads_nowhere(client, engine_api, url):
    answer = embed(client, url=url)

    assert answer.status_code == 400
    assert "<a " not in answer.text
    assert engine_api.calls == []


def test_html_to_paste_of_a_url_that_is_refused_leads_nowhere_too(client):
    """A link with an empty address would lead to the page into which it was pasted."""
    answer = embed(client, url="http://localhost/", **{"as": "html"})

    assert (answer.status_code, "href" in answer.text) == (400, False)
    assert re.sub(r"<[^>]*>", "|", answer.text).strip("|\n").split("|")[0] == "No preview"
    assert answer.text.startswith("<div ")
    assert answer.text.endswith("</div>\n")


@pytest.mark.parametrize("wrong", [{"theme": "blue"}, {"as": "pdf"}, {"width": 1}])
def test_a_wrong_option_of_a_card_is_refused(client, engine_api, wrong):
    assert embed(client, **wrong).status_code == 400
    assert engine_api.calls == []


def test_a_known_card_is_validated_and_kept_like_its_picture(client, engine_api):
    engine_api.behave(saying(**SAID))
    first = embed(client)

    assert first.headers["Cache-Control"].startswith("public, max-age=86")
    assert embed(client, headers={"If-None-Match": first.headers["ETag"]}).status_code == 304


def test_a_card_has_its_capture_options(client, engine_api):
    engine_api.behave(saying(**SAID))
    text = embed(client, dark_mode=1, image="auto").text

    assert all("dark_mode=1" in each for each in sources(text) if each.startswith(("/thumb", "/icon")))
    assert engine_api.calls[0].params["dark_mode"] == "true"


def test_cards_and_their_pictures_are_signed(make_client, engine_api):
    client = make_client(signing_keys=KEY)
    engine_api.behave(saying(**SAID))
    refused = embed(client)
    expires = "4102444800"
    text = embed(client, expires=expires, sig=sign(KEY, [("url", PAGE), ("expires", expires)]), theme="dark").text
    pictures = [each for each in sources(text) if each.startswith(("/thumb", "/icon"))]

    assert refused.status_code == 403
    assert [client.get(each).status_code for each in pictures] == [200, 200]
    assert all(f"expires={expires}" in each for each in pictures)  # they hold no longer than the card


def test_hosts_that_are_not_allowed_have_no_card(make_client, engine_api):
    client = make_client(allowed_targets="example.org")

    assert embed(client).status_code == 403
    assert oembed(client).status_code == 404
    assert engine_api.calls == []


def test_oembed_gives_a_frame(client, engine_api):
    engine_api.behave(saying(**SAID))
    answer = oembed(client)
    told = answer.json

    assert answer.content_type == "application/json"
    assert {
        "version": "1.0",
        "type": "rich",
        "title": "A garden",
        "author_name": "Ada",
        "width": 600,
    }.items() <= told.items()
    (frame,) = re.findall(r'<iframe src="([^"]*)" width="(\d+)" height="(\d+)" title="A garden"', told["html"])
    assert (int(frame[1]), int(frame[2])) == (told["width"], told["height"])
    assert client.get(html.unescape(frame[0])).status_code == 200
    assert 'sandbox="allow-popups allow-popups-to-escape-sandbox"' in told["html"]
    assert client.get(told["thumbnail_url"]).status_code == 200
    assert answer.headers["Cache-Control"].startswith("public, max-age=86")
    assert len(engine_api.calls) == 1


def test_oembed_gives_a_photo_that_fits(client, engine_api):
    engine_api.behave(saying(**SAID))
    told = oembed(client, type="photo", maxwidth=700, maxheight=700).json
    asked = parse_qs(urlsplit(told["url"]).query)

    assert (told["type"], told["width"], told["height"]) == ("photo", 640, 360)
    assert (asked["w"], asked["h"]) == (["640"], ["360"])
    assert client.get(told["url"]).status_code == 200


def test_oembed_speaks_xml(client, engine_api):
    engine_api.behave(saying(**SAID | {"title": NASTY}))
    answer = oembed(client, format="xml")
    root = ET.fromstring(answer.data)

    assert answer.content_type == "text/xml; charset=utf-8"
    assert (root.tag, root.findtext("type"), root.findtext("title")) == ("oembed", "rich", NASTY)
    assert root.findtext("html").startswith("<iframe ")


@pytest.mark.parametrize(("maxwidth", "maxheight"), [(320, 1000), (600, 100), (200, 200), (479, 400)])
def test_a_frame_is_no_larger_than_the_caller_wants_it(client, engine_api, maxwidth, maxheight):
    engine_api.behave(saying(**SAID))
    told = oembed(client, maxwidth=maxwidth, maxheight=maxheight).json

    assert (told["width"] <= maxwidth, told["height"] <= maxheight) == (True, True)


@pytest.mark.parametrize(
    ("options", "size"),
    [
        ({"maxwidth": "500.4"}, (500, 190)),
        ({"maxwidth": " 500", "maxheight": "150.5\n"}, (500, 151)),
        ({"maxwidth": "", "maxheight": "", "format": "", "type": "", "theme": ""}, (600, 190)),
    ],
)
def test_oembed_takes_what_templates_make_of_its_options(client, engine_api, options, size):
    engine_api.behave(saying(**SAID))
    told = oembed(client, **options).json

    assert (told["width"], told["height"]) == size


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({"url": "http://169.254.169.254/"}, 404),
        ({"url": "http://localhost/"}, 404),
        ({"format": "yaml"}, 501),
        ({"maxwidth": 10}, 404),
        ({"type": "photo", "maxwidth": 10}, 404),
        ({"maxwidth": "x"}, 400),
        ({"maxheight": "-1"}, 400),
        ({"type": "video"}, 400),
        ({"url": ""}, 400),
        ({"callback": "x"}, 400),
    ],
)
def test_what_oembed_cannot_answer_has_the_status_of_the_specification(client, engine_api, options, status):
    engine_api.behave(saying(**SAID))

    assert oembed(client, **options).status_code == status


def test_a_name_that_resolves_inside_is_not_found(client, engine_api, resolver):
    resolver.answers["inside.example"] = ["10.0.0.1"]

    assert oembed(client, url="https://inside.example/").status_code == 404
    assert engine_api.calls == []


def test_oembed_of_an_unknown_page_does_not_wait_for_long(client, engine_api):
    gate = threading.Event()
    engine_api.hold(gate)
    answer = oembed(client, wait=0)
    gate.set()

    assert (answer.status_code, answer.json["title"], answer.json["cache_age"]) == (200, "example.com", 60)
    assert answer.headers["Cache-Control"] == "public, max-age=60"


def test_a_signed_page_is_found_with_what_programs_add(make_client, engine_api):
    """They add sizes and a format to the address that they have found, which nobody has signed."""
    client = make_client(signing_keys=KEY)
    engine_api.behave(saying(**SAID))
    card = embed(client, sig=sign(KEY, [("url", PAGE)])).text
    found = [each for each in sources(card) if "/oembed?" in each]
    told = client.get(f"{found[0]}&maxwidth=500&dnt=1").json

    assert len(found) == 2
    assert client.get(html.unescape(sources(told["html"])[0])).status_code == 200
    assert client.get(told["thumbnail_url"]).status_code == 200
    assert oembed(client).status_code == 403


def test_only_sizes_that_are_allowed_are_named(make_client, engine_api):
    client = make_client(allowed_sizes="640x360")
    engine_api.behave(saying(**SAID))
    told = oembed(client).json

    assert (told["thumbnail_width"], told["thumbnail_height"]) == (640, 360)
    assert all(client.get(each).status_code == 200 for each in sources(embed(client).text) if each.startswith("/thumb"))


def test_addresses_are_those_by_which_callers_reach_the_service(make_client, engine_api):
    client = make_client(public_url="https://pics.example.net/t")
    engine_api.behave(saying(**SAID))
    told, card = oembed(client).json, embed(client).text

    assert told["thumbnail_url"].startswith("https://pics.example.net/t/thumb?")
    assert next(each for each in sources(card) if each.startswith("/")).startswith("/t/")
