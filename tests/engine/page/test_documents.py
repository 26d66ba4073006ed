"""HTML in place of a page, on the real engine: `POST /v1/html-to-image`."""

import io
import json

import pytest
from PIL import Image

from options import METADATA_HEADER
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
    html = f"{GREEN}<script>if (document.querySelector('p').textContent != 'é漢العربية😀') document.body.style.background = 'red'</script>"
    html = f"{GREEN}<p>é漢العربية😀</p>" + html.removeprefix(GREEN)
    assert opened(draw(draws, html, **SMALL)).getpixel((300, 200)) == (0, 128, 0)


def test_its_metadata_has_no_address(draws):
    said = json.loads(json.dumps(dict(draw(draws, GREEN, **SMALL).headers)))[METADATA_HEADER]
    assert "document.invalid" not in said
