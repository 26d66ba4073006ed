"""The page `/` as a form without scripts: what it captures, refuses, costs and shows. tests/e2e/ui looks at it in a browser."""

import html
import json
import re
import threading

import pytest
from structlog.testing import capture_logs

from options import PRIVATE, THUMBNAIL_OPTIONS
from tests.support.processes import wait_until
from tests.support.screenshot_api import refuse, running_screenshot_api, sized

URL = "https://example.com/"
API_KEY, SIGNING_KEY = "correct-horse", "a-signing-key-of-32-characters-xx"


@pytest.fixture
def capture(client):
    """Send the form with some fields."""

    def send(**fields):
        return client.post("/", data={"url": URL, "w": "640", **fields})

    return send


def outcome(page):
    """What the page says of the picture, by its words."""
    return dict(re.findall(r"<dt>([^<]+)</dt><dd[^>]*>\s*([^<]*?)\s*</dd>", page.text))


def address(page):
    """The path of the picture in the page."""
    return html.unescape(re.search(r'<figure.*?<img src="([^"]+)"', page.text, re.DOTALL)[1])


def code(page, name):
    return html.unescape(re.search(rf'id="snippet-{name}"[^>]*>(.*?)</code>', page.text, re.DOTALL)[1])


def wrong(page):
    """The fields that are marked, and the words at each."""
    return {name: html.unescape(words) for name, words in re.findall(r'id="wrong-([a-z_]+)">([^<]*)<', page.text)}


def test_a_link_fills_the_form_and_captures_nothing(client, api):
    page = client.get(f"/?url={URL}&device=iphone-14&full_page&block_ads=false&utm_source=mail")
    assert page.status_code == 200
    assert f'value="{URL}"' in page.text
    assert '<option value="iphone-14" selected>' in page.text
    assert re.search(r'name="full_page" value="true" checked', page.text)
    assert not re.search(r'name="block_ads" value="true" checked', page.text)
    assert "utm_source" not in code(page, "img")
    assert api.calls == []


def test_the_form_captures_and_says_what_it_cost(client, capture, api):
    page = capture()
    assert page.status_code == 200
    assert outcome(page) | {"Took": "", "Bytes": ""} == {
        "Size": "640 × 360",
        "Bytes": "",
        "X-Cache": "MISS",
        "Took": "",
        "Cost": "1 capture, 119 left for 60 s",
        "Captured": "a moment ago",
    }
    again = outcome(capture(format="webp"))
    assert (again["X-Cache"], again["Cost"]) == ("HIT", "nothing")
    picture = client.get(address(page))
    assert (picture.status_code, picture.headers["X-Cache"]) == (200, "HIT")
    assert len(api.calls) == 1


def test_a_page_is_printed_although_the_form_holds_the_size_of_a_picture(client, capture):
    page = capture(format="pdf", quality="50")
    assert page.status_code == 200
    printed = client.get(html.unescape(re.search(r'<a href="([^"]+)">Open the PDF', page.text)[1]))
    assert (printed.status_code, printed.content_type) == (200, "application/pdf")
    assert "as a PDF</a>" in code(page, "link")


def test_a_known_picture_is_shown_by_a_link(client, capture, api):
    capture()
    page = client.get(f"/?url={URL}&w=640")
    assert outcome(page)["X-Cache"] == "HIT"
    assert len(api.calls) == 1


def test_it_captures_anew_by_a_button_of_its_own(capture, api):
    before = address(capture())
    api.behave(sized(1280, 720))
    page = capture(fresh="1")
    assert outcome(page)["X-Cache"] == "MISS"
    assert address(page) != before  # which the browser holds
    assert "fresh" not in code(page, "img")
    assert len(api.calls) == 2


SCRIPT = '<script src="http://localhost/thumbs.js" async></script>\n<img src="http://localhost/thumb?'


def test_the_code_of_an_image_lets_it_arrive(client, capture):
    written = code(capture(), "img")
    assert written.startswith(SCRIPT)
    assert re.search(r'src="[^"]+&amp;wait=0" ', written)
    assert "wait=7" in code(client.get(f"/?url={URL}&wait=7"), "img")
    assert "wait=0" not in code(client.get(f"/?url={URL}&wait=7"), "img")


@pytest.mark.parametrize(("origins", "arrives"), [((), False), (("https://blog.example",), True)])
def test_where_access_is_restricted_the_code_has_the_script_for_pages_that_may_use_it(make_client, origins, arrives):
    client = make_client(signing_keys=(SIGNING_KEY,), cors_origins=origins)
    page = client.post("/", data={"url": URL, "key": SIGNING_KEY})
    assert code(page, "img").startswith(SCRIPT) == arrives
    assert ("wait=0" in code(page, "img")) == arrives


@pytest.mark.parametrize("origin", ["https://evil.example", "null"])
def test_another_web_site_cannot_send_the_form(client, api, origin):
    page = client.post("/", data={"url": URL}, headers={"Origin": origin, "Sec-Fetch-Site": "cross-site"})
    assert page.status_code == 403
    assert api.calls == []


def test_every_wrong_field_is_marked_at_once(capture, api):
    page = capture(url="not a url", w="7", delay="soon", quality="200")
    assert page.status_code == 400
    assert wrong(page) == {
        "url": "The address contains a space, a backslash, or a control or invisible character; percent-encode it.",
        "w": "Width must be a whole number of pixels from 16 to 3840.",
        "delay": "Delay must be a whole number of milliseconds from 0 to 10000.",
        "quality": "Quality must be a whole number from 1 to 100.",
    }
    assert page.text.count('aria-invalid="true"') == 4
    assert 'value="not a url"' in page.text  # nothing typed is lost
    assert api.calls == []


@pytest.mark.parametrize("url", ["", "   "])
def test_an_empty_address_is_asked_for(client, url):
    assert "url" in wrong(client.post("/", data={"url": url}))


def test_a_private_address_is_refused_at_its_field(capture, api):
    assert "not a public web address" in wrong(capture(url="http://127.0.0.1/"))["url"]
    assert api.calls == []


def test_a_wrong_value_in_a_folded_group_unfolds_it(capture):
    page = capture(scroll_y="-1")
    assert "scroll_y" in wrong(page)
    assert "<details open>" in page.text


def test_a_failure_says_what_happened(capture, api):
    api.behave(refuse(502, "upstream", "down"), times=9)
    page = capture()
    assert page.status_code == 502
    assert "Capture failed" in page.text
    assert wrong(page) == {}


def test_a_used_up_budget_says_when_it_renews(make_client, api):
    client = make_client(thumb_limit="1 per minute")
    client.post("/", data={"url": URL})
    page = client.post("/", data={"url": "https://example.org/"})
    assert page.status_code == 429
    assert int(page.headers["Retry-After"]) > 0
    assert "Limit reached: 1 captures per minute." in page.text
    assert len(api.calls) == 1


def test_a_slow_page_is_pending_and_then_there(capture, api):
    gate = threading.Event()
    api.hold(gate)
    page = capture(wait="0")
    gate.set()
    assert page.status_code == 202
    assert 'data-state="pending"' in page.text
    assert outcome(capture(wait="30"))["Cost"] == "nothing"
    assert len(api.calls) == 1


def test_it_escapes_what_a_link_puts_in(client):
    page = client.get(
        "/?url=https://example.com/%22%3E%3Cscript%3Ealert(1)%3C/script%3E&selector=%3C/textarea%3E%3Cb%3E"
    )
    assert "<script>alert" not in page.text
    assert "<b>" not in page.text


@pytest.mark.parametrize(
    "given",
    [
        {"url": "http://["},
        {"url": "https://exa\nmple.com/", "css": "a\nb", "clip": "٣,٣,٣,٣"},
        {"url": "\x00", "w": "٣٢٠", "h": "99999999999999999999999"},
        {"url": "https://example.com/", "w": "-1", "format": "gif", "device": "</select>", "full_page": "perhaps"},
        {"url": "//", "selector": "'\"`${}<?php"},
        {"url": "x" * 9000, "fresh": "x", "code": "<b>", "key": "x"},
    ],
)
@pytest.mark.parametrize("settings_of", [{}, {"signing_keys": (SIGNING_KEY,)}], ids=["open", "signing"])
def test_no_value_breaks_the_page(make_client, api, given, settings_of):
    client = make_client(**settings_of)
    assert client.get("/", query_string=given).status_code == 200
    assert client.post("/", data=given | ({"key": SIGNING_KEY} if settings_of else {})).status_code == 400
    assert api.calls == []


def test_each_option_of_a_url_has_a_control(client):
    names = set(re.findall(r'name="([a-z_]+)"', client.get("/").text))
    lacking = {each.name for each in THUMBNAIL_OPTIONS.values() if each.apis and not each.param("snapsharp")}
    expected = THUMBNAIL_OPTIONS.keys() - PRIVATE - lacking - {"sig", "fresh", "expires"}
    assert expected - names == set()
    assert names & (PRIVATE | lacking) == set()


def test_the_page_stays_small(client):
    page = client.get("/")
    assert len(page.data) < 30_000
    scripts = re.findall(r'src="(/static/[^"]+\.js)"', page.text)
    assert sum(len(client.get(script).data) for script in scripts) < 10_000


def test_it_works_below_a_path_of_another_site(make_client):
    client = make_client(public_url="https://pictures.example/thumbs")
    page = client.post("/", data={"url": URL})
    assert 'action="/thumbs/"' in page.text
    assert address(page).startswith("/thumbs/thumb?url=")
    assert 'src="https://pictures.example/thumbs/thumb?url=' in code(page, "img")


def test_it_leads_to_the_other_pages_that_a_visitor_may_see(make_client):
    closed = make_client(admin_key="an-admin-key-for-tests").get("/").text
    public = make_client(gallery_public=True).get("/").text
    paths = ("/docs", "/openapi.json", "/gallery", "/admin")
    assert [f'href="{path}"' in closed for path in paths] == [True, True, False, True]
    assert [f'href="{path}"' in public for path in paths] == [True, True, True, False]


def test_a_size_is_proposed_that_the_operator_allows(make_client):
    page = make_client(allowed_sizes=("300", "1000x500")).get("/")
    assert re.search(r'name="w" value="300"', page.text)


def test_without_playground_it_only_says_what_this_is(make_client, api):
    client = make_client(playground=False)
    page = client.get("/")
    assert page.status_code == 200
    assert "picture" in page.text
    assert "<form id" not in page.text
    assert client.post("/", data={"url": URL}).status_code == 405
    assert api.calls == []


# With keys


@pytest.fixture(params=[{"signing_keys": (SIGNING_KEY,)}, {"api_keys": (f"cms:{API_KEY}",)}], ids=["signing", "api"])
def locked(request, make_client):
    return make_client(**request.param), SIGNING_KEY if "signing_keys" in request.param else API_KEY


@pytest.mark.parametrize("key", ["", "some-other-key-entirely"])
def test_a_restricted_service_asks_for_a_key(locked, api, key):
    client, _ = locked
    page = client.post("/", data={"url": URL, "key": key})
    assert page.status_code == 401
    assert "key" in wrong(page)
    assert api.calls == []


def test_a_restricted_service_shows_no_picture_by_a_link(locked):
    client, key = locked
    client.post("/", data={"url": URL, "w": "640", "key": key})
    page = client.get(f"/?url={URL}&w=640")
    assert outcome(page) == {}


def test_a_key_takes_a_picture_and_is_written_nowhere(locked):
    client, key = locked
    with capture_logs() as logs:
        page = client.post("/", data={"url": URL, "w": "640", "key": key})
    assert outcome(page)["X-Cache"] == "MISS"
    assert client.get(address(page)).status_code == 200
    assert key not in page.text
    assert key not in str(logs)
    assert page.headers["Cache-Control"] == "no-store"


def test_the_code_of_a_signing_service_is_signed(make_client):
    client = make_client(signing_keys=(SIGNING_KEY,))
    assert "sig=" not in client.get("/").text
    page = client.post("/", data={"url": URL, "w": "640", "key": SIGNING_KEY})
    for source in re.findall(r'http://localhost(/thumb\?[^"\s]+)', html.unescape(code(page, "picture"))):
        assert "sig=" in source
        assert client.get(source).status_code == 200


def test_a_key_pays_from_its_own_budget(make_client):
    client = make_client(api_keys=(f"cms:{API_KEY}:7/minute",))
    page = client.post("/", data={"url": URL, "key": API_KEY})
    assert outcome(page)["Cost"].startswith("1 capture, 6 left")


def persisted(client, page):
    """What /persist responds to the request of a CMS button."""
    return client.post("/persist", json=json.loads(re.search(r"JSON\.stringify\((.*)\),", code(page, "cms"))[1]))


@pytest.mark.parametrize("scheme", ["https", "http"])
def test_the_code_works_for_a_page_typed_without_its_scheme(make_client, scheme):
    with running_screenshot_api("engine") as engine:
        if scheme == "http":
            engine.behave(refuse(422, "connection_refused", "none"), times=9, url="https://plain.example/a")
        client = make_client(capture_api="engine", capture_url=engine.url)
        page = client.post("/", data={"url": "plain.example/a"})
        stored = persisted(client, page)

        assert stored.status_code == 201
        assert engine.calls[-1].params["url"] == f"{scheme}://plain.example/a"
        assert f"(<{scheme}://plain.example/a>)" in code(page, "markdown")
        assert outcome(client.get("/?url=plain.example/a"))["X-Cache"] == "HIT"


def test_a_text_that_reads_like_another_type_stays_a_text(client, capture):
    assert persisted(client, capture(hide="true", css="5", full_page="true")).status_code == 201


def fields(page):
    """The hidden fields of the form."""
    found = re.findall(r'<input type="hidden" name="([a-z_]+)" value="([^"]*)"', page.text)
    return {name: html.unescape(value) for name, value in found}


def test_a_slow_picture_costs_and_takes_what_the_whole_wait_does(capture, api):
    gate = threading.Event()
    api.hold(gate)
    pending = capture(wait="1")  # by then the capture is charged
    waiting = fields(pending)["waiting"]
    began, rest = waiting.split(" ", 1)
    earlier = f"{int(began) - 30_000} {rest}"
    assert "Cost: 1 capture, 119 left for 60 s" in pending.text
    gate.set()
    wait_until(lambda: outcome(capture(wait="1", waiting=earlier)).get("X-Cache"), "the picture")
    ready, other = capture(wait="1", waiting=earlier), capture(wait="1", w="320", waiting=earlier)

    assert outcome(ready)["Cost"] == "1 capture"
    assert float(outcome(ready)["Took"].removesuffix(" s")) >= 30
    assert outcome(other)["Cost"] == "nothing"
    assert outcome(other)["Took"].endswith("ms")


@pytest.mark.parametrize(
    "waiting", ["", "x", "1 paid", "99999999999999 paid url=https://example.com/&w=640", "٣ - x", "9" * 5000]
)
def test_what_has_been_waited_for_is_not_believed_if_it_cannot_be(capture, waiting):
    found = outcome(capture(waiting=waiting))
    assert found["Took"].endswith("ms")


def test_a_capture_that_fails_at_a_field_says_what_it_cost(make_client):
    with running_screenshot_api("engine") as engine:
        engine.behave(refuse(422, "selector_not_found", "no element", extras={"field": "selector"}), times=9)
        page = make_client(capture_api="engine", capture_url=engine.url).post(
            "/", data={"url": URL, "selector": "nope"}
        )
        assert set(wrong(page)) == {"selector"}
        assert "Cost: 1 capture, 119 left for 60 s" in page.text


def test_lines_of_a_style_sheet_are_joined_where_a_url_is_signed(make_client):
    client = make_client(signing_keys=(SIGNING_KEY,))
    page = client.post("/", data={"url": URL, "w": "640", "css": "nav {\r\n  display: none\r\n}", "key": SIGNING_KEY})
    assert page.status_code == 200
    assert "css=nav%20%7B%20display:%20none%20%7D&" in address(page)
    assert client.get(address(page)).status_code == 200


def test_what_is_no_number_is_sent_and_judged(capture):
    page = capture()
    assert 'type="number"' not in page.text
    assert wrong(capture(w="1e")) == {"w": "Width must be a whole number of pixels from 16 to 3840."}


def test_a_link_with_wrong_options_says_so_and_gives_no_code(client, api):
    page = client.get("/?url=javascript://%250aalert(1)&w=7")
    assert wrong(page) == {
        "url": "The address must start with http:// or https://.",
        "w": "Width must be a whole number of pixels from 16 to 3840.",
    }
    assert 'data-state="nothing"' in page.text  # so that a change of the form captures nothing
    assert "snippet-" not in page.text
    assert api.calls == []


@pytest.mark.parametrize(
    ("options", "one", "two"),
    [
        ({"w": ""}, "&scale=2&w=1280", "&scale=2&w=2560"),
        ({"w": "320"}, "&w=320", "&w=640"),
        ({"w": "800"}, "&w=800&scale=2", "&w=1600&scale=2"),
        ({"w": "", "h": "400"}, "&h=400&scale=2", "&h=800&scale=2"),
        ({"w": "300", "clip": "0,0,400,300"}, "&w=300&clip=0,0,400,300&scale=2", "&w=600&clip=0,0,400,300&scale=2"),
        ({"w": "300", "device": "iphone-14"}, "&w=300", "&w=600"),
        ({"w": "", "scale": "3"}, "&scale=3&w=1280", "&scale=3&w=2560"),
    ],
)
def test_a_picture_element_has_two_densities_from_a_capture_that_is_sharp_enough(client, options, one, two):
    written = code(client.get("/", query_string={"url": URL, **options}), "picture")
    found = re.search(r'image/avif" srcset="(\S+) 1x, (\S+) 2x"', html.unescape(written))
    assert found
    for address_, expected in zip(found.groups(), (one, two), strict=True):
        assert sorted(address_.split("&")[1:]) == sorted(
            [*expected.split("&")[1:], "format=avif", *(["device=iphone-14"] if "device" in options else [])]
        )


def test_a_width_that_may_not_be_doubled_has_one_density(make_client):
    client = make_client(allowed_sizes="640,960")
    assert " 2x" not in code(client.get("/", query_string={"url": URL, "w": "640"}), "picture")
    assert " 2x" not in code(client.get("/", query_string={"url": URL, "w": ""}), "picture")


@pytest.mark.parametrize("query", ["width=abc", "clip=a,b,c,d", "scale=x&w=10.5", "width=%00&height=1e9", "clip=,,,"])
def test_wrong_options_of_a_link_without_a_page_are_marked_too(client, query):
    page = client.get(f"/?{query}")
    assert page.status_code == 200
    assert query.partition("=")[0] in wrong(page)


def test_fractions_are_rounded_in_the_code_too(client):
    assert " 2x" in code(client.get(f"/?url={URL}&width=800.5&scale=1.5"), "picture")
