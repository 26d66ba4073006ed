"""Official clients of other services, unmodified, against this service: only their base URL changes."""

import io
import threading
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import requests
import screenshotone
import screenshotone.sdk
from PIL import Image
from werkzeug.serving import make_server

import services
from app import create_app
from config import Settings
from tests.support.node import run_script
from tests.support.screenshot_api import running_screenshot_api

SECRET = "secret-of-blog"
SCRIPT = Path(__file__).parent / "clients" / "ask.mjs"
PNG, JPEG = "\x89PNG", "\xff\xd8\xff\xe0"


@pytest.fixture(scope="module")
def base(redis_server, tmp_path_factory):
    """The URL of the service, with a pair of keys, in a thread of this process."""
    folder = tmp_path_factory.mktemp("clients")
    with running_screenshot_api("engine") as engine:
        settings = Settings.of(
            redis_url=redis_server.url,
            redis_prefix="dialect-clients",
            capture_url=engine.url,
            persist_dir=folder / "media",
            database_url=f"sqlite:///{folder}/thumbnails.db",
            originals="redis",
            dialects="screenshotone,urlbox,microlink",
            api_keys=f"blog:{SECRET}",
        )
        built = services.build(settings, lambda _name: ["93.184.216.34"])
        with closing(built), running(create_app(settings, built)) as url:
            yield url


@contextmanager
def running(app):
    """Serve `app` on loopback, in a thread, and yield its URL."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def told(base):
    """What the clients for Node return, each for its own call."""
    return run_script(SCRIPT, base, "blog", SECRET)


@pytest.mark.parametrize(
    ("call", "answer"),
    [
        ("screenshotone take", {"type": "image/jpeg", "start": JPEG}),
        ("screenshotone signed link", {"status": 200, "type": "image/jpeg", "start": JPEG}),
        ("urlbox link", {"status": 200, "type": "image/jpeg", "start": JPEG}),
        ("microlink bytes", {"start": PNG}),
    ],
)
def test_a_client_for_node_gets_a_picture(told, call, answer):
    assert told[call] == answer


@pytest.mark.parametrize(
    ("call", "code", "status"),
    [
        ("screenshotone refused", "request_not_valid", 400),
        ("screenshotone with a wrong secret", "signature_is_not_valid", 400),
        ("microlink refused", "EFORBIDDENURL", 400),
    ],
)
def test_a_client_for_node_reads_the_error(told, call, code, status):
    assert (told[call]["code"], told[call]["status"]) == (code, status)


def test_a_link_of_urlbox_without_a_signature_needs_a_secret_key(told):
    assert told["urlbox link without a signature"]["status"] == 401


def test_microlinks_client_reads_where_the_screenshot_is(told):
    screenshot = told["microlink screenshot"]

    assert (screenshot["width"], screenshot["height"], screenshot["type"]) == (1000, 600, "png")
    assert requests.get(screenshot["url"], timeout=10).headers["X-Cache"] == "HIT"


@pytest.fixture
def python_client(base, monkeypatch):
    monkeypatch.setattr(screenshotone.sdk, "API_BASE_URL", base)  # the client has no parameter for it
    return lambda key=SECRET, secret=SECRET: screenshotone.Client.with_keys(key, secret)


def options(url):
    taken = screenshotone.TakeOptions.url(url)
    return (
        taken.viewport_width(1000)
        .viewport_height(600)
        .format("webp")
        .hide_selectors([".a", ".b"])
        .full_page(value=False)
    )


def test_screenshotones_client_for_python_takes_a_picture(python_client):
    picture = python_client().take(options("https://clients.example/python"))

    assert Image.open(io.BytesIO(picture.read())).size == (1000, 600)


def test_screenshotones_client_for_python_signs_a_link(python_client):
    link = python_client("blog").generate_take_url(options("https://clients.example/python"))
    answer = requests.get(link, timeout=10)

    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "image/webp")
    assert (
        requests.get(f"{link[:-1]}{'0' if link[-1] != '0' else '1'}", timeout=10).json()["error_code"]
        == "signature_is_not_valid"
    )


def test_screenshotones_client_for_python_raises_what_its_service_means(python_client):
    with pytest.raises(screenshotone.InvalidRequestException) as refusal:
        python_client().take(options("http://127.0.0.1/"))

    assert (refusal.value.http_status_code, refusal.value.error_code) == (400, "request_not_valid")
