"""HTML in place of a page, on the real engine: `POST /v1/html-to-image`."""

import base64
import io
import json
import re

import pytest
from PIL import Image

from options import LONGEST_DOCUMENT_BODY, LONGEST_HTML, METADATA_HEADER
from tests.engine.conftest import small_engine
from tests.support.engine import eventually

GREEN = "<!doctype html><title>A card</title><body style='margin: 0; background: green'>"
SMALL = {"width": 320, "height": 240}


@pytest.fixture(scope="module")
def draws(site):
    with small_engine(site, ENGINE_CONCURRENCY=2) as engine:
        yield engine


def draw(engine, html, **options):
    return engine.post("/v1/html-to-image", json={"html": html, **options})


def opened(answer):
    assert answer.status_code == 200, answer.text
    return Image.open(io.BytesIO(answer.content)).convert("RGB")


def facts_of(engine, answer):
    request_id = answer.headers["X-Request-ID"]
    (event,) = eventually(lambda: [each for each in engine.logged("capture") if each["request_id"] == request_id])
    return event


def test_html_is_drawn_in_the_contracts_size(draws):
    picture = opened(draw(draws, GREEN))
    assert picture.size == (800, 600)
    assert picture.getpixel((400, 300)) == (0, 128, 0)


def test_a_small_size_a_scale_and_a_style_sheet(draws):
    picture = opened(draw(draws, GREEN, width=100, height=100, scale=2, css="body { background: blue !important }"))
    assert (picture.size, picture.getpixel((5, 5))) == ((200, 200), (0, 0, 255))


def test_a_tall_document_is_shown_whole(draws):
    picture = opened(draw(draws, f"{GREEN}<div style='height: 1500px'>", **SMALL, full_page=True))
    assert picture.size == (320, 1500)


def test_a_document_is_printed(draws):
    answer = draw(draws, f"{GREEN}<h1>Hello", format="pdf")
    assert (answer.status_code, answer.content[:5]) == (200, b"%PDF-")


def test_scripts_run_and_timers_pass(draws):
    late = f"{GREEN}<script>setTimeout(() => {{ document.body.style.background = 'red' }}, 1500)</script>"
    assert opened(draw(draws, late, **SMALL)).getpixel((9, 9)) == (255, 0, 0)


def test_text_of_every_language_arrives_as_it_was_sent(draws):
    check = "if (document.querySelector('p').textContent != 'é漢العربية😀') document.body.style.background = 'red'"
    html = f"{GREEN}<p>é漢العربية😀</p><script>{check}</script>"
    assert opened(draw(draws, html, **SMALL)).getpixel((300, 200)) == (0, 128, 0)


def test_what_it_says_of_itself_has_a_title_and_no_address(draws):
    said = json.loads(draw(draws, GREEN, **SMALL).headers[METADATA_HEADER])
    assert said["title"] == "A card"
    assert "document.invalid" not in json.dumps(said)


def test_its_author_wants_it_to_be_shown_whatever_it_says(draws):
    assert draw(draws, f"{GREEN}<meta name=thumbnails content=none>", **SMALL).status_code == 200


def test_without_a_background_of_its_own_it_may_be_transparent(draws):
    html = "<!doctype html><p style='position: absolute; inset: 0 50% 0 0; margin: 0; background: #f00'>"
    for scale in (1, 2):
        answer = draw(draws, html, **SMALL, scale=scale, transparent=True)
        picture = Image.open(io.BytesIO(answer.content))
        assert [picture.getpixel((x * scale, 9)) for x in (9, 300)] == [(255, 0, 0, 255), (0, 0, 0, 0)]
    assert opened(draw(draws, html, **SMALL)).getpixel((300, 9)) == (255, 255, 255)
    assert draw(draws, html, **SMALL, transparent=True, full_page=True).status_code == 200


DOT = base64.b64encode(
    bytes.fromhex(
        "424d3a0000000000000036000000280000000100000001000000010018000000000004000000130b0000130b000000000000000000000000ff00"
    )
).decode()


def test_data_and_blob_urls_work_without_a_network(draws):
    """Each of two pictures covers a half. The second one is fetched from a blob."""
    html = f"""<!doctype html><body style='margin: 0'><style>img {{ position: absolute; width: 160px; height: 240px }}</style>
        <img src='data:image/bmp;base64,{DOT}'><img id=blob style='left: 160px'><script>
        fetch('data:image/bmp;base64,{DOT}').then(answer => answer.blob()).then(blob => {{
          document.getElementById('blob').src = URL.createObjectURL(blob) }})</script>"""
    answer = draw(draws, html, **SMALL)
    picture = opened(answer)
    assert [picture.getpixel((x, 9)) for x in (9, 300)] == [(255, 0, 0)] * 2
    traffic = facts_of(draws, answer)["traffic"]
    assert (traffic["connections"], traffic["refused"]) == (0, {})


def test_a_network_is_allowed_on_demand_alone(draws, site):
    url = site.add("/of-a-document.css", "body { background: blue !important }", content_type="text/css")
    html = f"{GREEN}<link rel=stylesheet href='{url}'>"
    since = len(site.requests)
    alone = draw(draws, html, **SMALL)
    assert opened(alone).getpixel((9, 9)) == (0, 128, 0)
    assert facts_of(draws, alone)["traffic"]["refused"] == {"no_network": 1}
    assert len(site.requests) == since
    assert opened(draw(draws, html, **SMALL, network=True)).getpixel((9, 9)) == (0, 0, 255)
    (request,) = site.requests[since:]
    assert "Referer" not in request.headers


@pytest.mark.parametrize("network", [False, True])
def test_no_file_and_no_internal_address_is_shown(draws, network):
    """A frame, a picture and a script of each, and a script that reads it: what is read would turn the document red."""
    addresses = (
        *("file:///etc/passwd", "http://169.254.169.254/latest/", "http://[::1]/"),
        *("/of-its-own", "//document.invalid/x"),
    )
    parts = "".join(
        f"""<iframe src='{each}' style='display: none' onload="if (this.contentDocument?.body?.textContent) fail()"></iframe>
        <img src='{each}' onload='fail()' style='display: none'>
        <script>fetch('{each}', {{mode: 'no-cors'}}).then(fail, () => 0)</script>"""
        for each in addresses
    )
    fail = "<script>const fail = () => document.body.style.background = 'red'</script>"
    answer = draw(draws, GREEN + fail + parts, **SMALL, network=network)
    assert opened(answer).getpixel((300, 200)) == (0, 128, 0)


def test_the_engines_own_port_is_not_reached(draws):
    html = f"{GREEN}<script>fetch('{draws.url}/health', {{mode: 'no-cors'}}).then(() => {{ document.body.style.background = 'red' }})</script>"
    for network in (False, True):
        assert opened(draw(draws, html, **SMALL, network=network)).getpixel((9, 9)) == (0, 128, 0)


@pytest.mark.parametrize(
    "leads",
    [
        "<script>location = 'URL'</script>",
        "<meta http-equiv=refresh content='0; url=URL'>",
        "<form action='URL'></form><script>document.forms[0].submit()</script>",
        "<form action='/' method=post></form><script>document.forms[0].submit()</script>",
        "<iframe srcdoc=\"<script>top.location = 'URL'</script>\"></iframe>",
    ],
)
def test_a_document_never_shows_a_page_in_its_place(draws, site, leads):
    """Else a caller could have any page captured, whatever rules the operator has for pages."""
    html = f"{GREEN}{leads}".replace("URL", site.add("/where-it-leads", "<body style='background: blue'>"))
    since = len(site.requests)
    for network in (False, True):
        refused = draw(draws, html, **SMALL, network=network)
        assert (refused.status_code, refused.json()["error"]) == (400, "blocked_url")
    assert site.requests[since:] == []


def test_a_document_may_lead_to_its_own_parts(draws):
    html = f"{GREEN}<div style='height: 3000px'></div><p id=end>x</p><script>location = '#end'</script>"
    assert draw(draws, html, **SMALL).status_code == 200
    assert opened(draw(draws, f"{GREEN}<script>history.pushState(0, '', '/x')</script>", **SMALL))


def test_a_frame_is_shown_with_a_network(draws, site):
    url = site.add("/in-a-frame", "<body style='background: blue'>")
    html = f"<!doctype html><body style='margin: 0'><iframe src='{url}' style='border: 0; width: 320px; height: 240px'>"
    assert opened(draw(draws, html, **SMALL, network=True)).getpixel((9, 9)) == (0, 0, 255)


def test_a_document_that_reloads_itself_once_is_shown(draws):
    html = f"{GREEN}<script>if (!sessionStorage.seen) {{ sessionStorage.seen = 1; location.reload() }}</script>"
    assert opened(draw(draws, html, **SMALL)).getpixel((9, 9)) == (0, 128, 0)


def test_a_document_in_a_frame_of_itself_is_not_drawn_there(draws):
    assert opened(draw(draws, f"{GREEN}<iframe src='/' style='display: none'></iframe>", **SMALL)).getpixel((9, 9))


def test_five_mebibytes_are_drawn_and_more_are_refused(draws):
    html = f"{GREEN}<!--{'é' * ((LONGEST_HTML - 200) // 2)}-->"
    assert opened(draw(draws, html, **SMALL)).getpixel((9, 9)) == (0, 128, 0)
    refused = draw(draws, html + "a" * 200)
    assert (refused.status_code, refused.json()["error"]) == (400, "validation_error")
    assert refused.json()["message"] == "html: must be a text of HTML, at most 5 MiB of UTF-8"


def test_the_limits_of_bodies_are_those_of_their_routes(draws):
    headers = {"Content-Type": "application/json"}
    for path, most, words in (
        ("/v1/html-to-image", LONGEST_DOCUMENT_BODY, "5 MiB of HTML"),
        ("/v1/screenshot", 70_000, "64 KiB"),
    ):
        answer = draws.post(path, data=b" " * (most + 1), headers=headers)
        assert (answer.status_code, answer.json()["error"]) == (413, "validation_error")
        assert answer.json()["message"] == f"the body is too large; send at most {words}"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "html: is missing; set it to a text of HTML, at most 5 MiB of UTF-8"),
        ({"html": "\ud800"}, "html: must be a text of HTML, at most 5 MiB of UTF-8"),
        ({"html": "x", "url": "http://127.0.0.1/"}, "'url' is not an option"),
        ({"html": "x", "headers": {}}, "'headers' is not an option"),
        ({"html": "x", "width": 99}, "width: must be a whole number of CSS pixels from 100 to 3840"),
        ({"html": "x", "network": "perhaps"}, "network: must be true or false"),
        ([], "the body must be a JSON object such as"),
    ],
)
def test_a_bad_body_is_refused_by_its_option(draws, body, message):
    answer = draws.post("/v1/html-to-image", data=json.dumps(body), headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["error"]) == (400, "validation_error")
    assert answer.json()["message"].startswith(message)


def test_the_log_names_the_digest_and_shows_no_content(draws):
    """tests/support/leaks.py searches all logs for this word."""
    event = facts_of(draws, draw(draws, f"{GREEN}<p>s3cret", **SMALL))
    assert re.fullmatch("document:[0-9a-f]{64}", event["host"])


def test_a_script_that_never_ends_costs_one_deadline(site):
    with small_engine(site, ENGINE_DEADLINE=5) as engine:
        endless = draw(engine, f"{GREEN}<script>while (true);</script>", **SMALL)
        assert (endless.status_code, opened(endless).getpixel((9, 9))) == (200, (0, 128, 0))
        assert engine.seconds(endless) < 5 + 10
        assert draw(engine, GREEN, **SMALL).status_code == 200
