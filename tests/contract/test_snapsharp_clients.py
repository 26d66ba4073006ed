"""SnapSharp's own clients, unmodified, work against the engine: each of their requests gets the picture it asks for."""

import io
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from PIL import Image

from tests.support.engine import Engine, running_engine
from tests.support.site import Site, running_site
from tests.support.snapsharp_clients import CALLS, CARDS, DOCUMENTS, ON_THE_WAY, PYTHON, REFUSED, SITE, Sent

Ask = Callable[..., requests.Response]


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with running_site() as running:
        yield running


@pytest.fixture(scope="module")
def engine(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    own = tmp_path_factory.mktemp("templates") / "own"
    own.mkdir()
    (own / "template.toml").write_text('title = "Own"\n', encoding="utf-8")
    (own / "template.html").write_text("<p>Own</p>", encoding="utf-8")
    settings = {"PRIVATE_TARGETS": site.address, "TEMPLATES_DIR": own.parent, "ENGINE_CONCURRENCY": 2}
    with running_engine(**settings) as running:
        yield running


@pytest.fixture(scope="module")
def ask(engine: Engine, site: Site) -> Ask:
    page = site.add("/for-clients", SITE) + "?a=1&b=2"

    def ask(sent: Sent, path: str = "/v1/screenshot") -> requests.Response:
        headers = {"User-Agent": sent.client, "Authorization": "Bearer sk_live_test"}
        body = sent.body_for(page)
        if body:
            return engine.post(path, data=body, headers=headers | {"Content-Type": "application/json"})
        return engine.get(f"/v1/screenshot?{sent.query_for(page)}", headers=headers)

    return ask


def ids(sent: Any) -> str:
    return f"{sent.client.split('/')[0]} {sent.call}" if isinstance(sent, Sent) else ""


@pytest.mark.parametrize("sent", CALLS, ids=ids)
def test_a_request_of_a_client_gets_its_picture(ask: Ask, sent: Sent):
    answer = ask(sent)
    assert answer.status_code == 200, answer.text
    picture = Image.open(io.BytesIO(answer.content)).convert("RGB")
    assert picture.size == sent.size
    at = (600, 50) if picture.width >= 1000 else (picture.width // 2, picture.height // 2)
    assert picture.getpixel(at) == sent.colour


@pytest.mark.parametrize("sent", DOCUMENTS, ids=ids)
def test_html_of_a_client_becomes_its_picture(ask: Ask, sent: Sent):
    answer = ask(sent, "/v1/html-to-image")
    assert answer.status_code == 200, answer.text
    picture = Image.open(io.BytesIO(answer.content)).convert("RGB")
    assert (picture.size, picture.getpixel((picture.width - 9, picture.height - 9))) == (sent.size, sent.colour)


@pytest.mark.parametrize(("sent", "headers"), ON_THE_WAY, ids=ids)
def test_the_server_of_the_page_is_sent_what_the_client_asked_for(
    ask: Ask, site: Site, sent: Sent, headers: dict[str, str]
):
    since = len(site.requests)
    assert ask(sent).status_code == 200
    document = next(each for each in site.requests[since:] if each.path.startswith("/for-clients"))
    assert {name: document.headers.get(name) for name in headers} == headers


def test_a_pdf_is_asked_for_as_a_format(ask: Ask):
    answer = ask(Sent("format='pdf'", PYTHON, "url=PAGE&format=pdf"))
    assert (answer.headers["Content-Type"], answer.content[:5]) == ("application/pdf", b"%PDF-")


@pytest.mark.parametrize(("sent", "status", "code", "message"), REFUSED, ids=ids)
def test_a_refused_request_gets_the_envelope_that_clients_read(
    ask: Ask, sent: Sent, status: int, code: str, message: str
):
    answer = ask(sent)
    body = answer.json()
    assert (answer.status_code, body["status"], body["error"]) == (status, status, code)
    assert body["message"].startswith(message)


def test_a_body_that_is_too_large_is_refused_with_its_limit(ask: Ask):
    answer = ask(Sent("css of 70 kB", PYTHON, body='{"url":"PAGE","css":"' + "a" * 70_000 + '"}'))
    assert (answer.status_code, answer.json()["error"]) == (413, "validation_error")
    assert answer.json()["message"] == "the body is too large; send at most 64 KiB"


@pytest.mark.parametrize("sent", CARDS, ids=ids)
def test_a_template_of_a_client_becomes_its_picture(ask: Ask, sent: Sent):
    answer = ask(sent, "/v1/og-image")
    assert answer.status_code == 200, answer.text
    picture = Image.open(io.BytesIO(answer.content)).convert("RGB")
    assert picture.size == sent.size
    assert picture.getpixel((picture.width - 9, picture.height - 9)) == sent.colour or sent.colour is None


def test_a_variable_that_a_template_has_not_is_named(engine: Engine):
    wrong = engine.post("/v1/og-image", json={"template": "blog-post", "data": {"variables": "x"}})
    assert (wrong.status_code, wrong.json()["error"]) == (400, "validation_error")
    assert "variables" in wrong.json()["message"]


def test_templates_lists_what_og_image_draws(engine: Engine):
    listed = engine.get("/v1/templates").json()["templates"]
    assert {"blog-post", "quote-card", "article", "own"} <= {each["id"] for each in listed}
    assert {"id", "name", "description", "variables"} == {name for each in listed for name in each}
