"""`POST /render` from the web process to the real browser and back."""

import io

import pytest
from PIL import Image

import services
import tasks
from app import create_app
from config import Settings
from jobs import INTERACTIVE
from tests.engine.conftest import small_engine

HALF = "<p style='position: absolute; inset: 0 50% 0 0; margin: 0; background: #f00'>s3cret"


@pytest.fixture(scope="module")
def drawing(site):
    with small_engine(site) as engine:
        yield engine


@pytest.fixture
def built(settings, drawing):
    made = services.build(Settings.of(**settings, capture_api="engine", capture_url=drawing.url, originals="redis"))
    made.jobs.store.workers.announce()
    yield made
    made.close()


@pytest.fixture
def settings(redis_url, tmp_path):
    return {
        "redis_url": redis_url,
        "persist_dir": tmp_path / "media",
        "database_url": f"sqlite:///{tmp_path}/thumbnails.db",
    }


@pytest.fixture
def client(built):
    return create_app(built.settings, built).test_client()


def render(client, headers=None, **body):
    return client.post("/render", json={"html": HALF, "width": 400, "height": 200} | body, headers=headers)


def test_every_format_shows_what_is_transparent(client):
    for name, right in (("png", (0, 0, 0, 0)), ("webp", (0, 0, 0, 0)), ("avif", (0, 0, 0, 0))):
        picture = Image.open(io.BytesIO(render(client, transparent=True, format=name).data)).convert("RGBA")
        assert picture.getpixel((300, 100)) == right
        assert picture.getpixel((100, 150))[3] == 255
    opaque = Image.open(io.BytesIO(render(client, transparent=True, format="jpeg", w=100).data))
    assert (opaque.size, opaque.getpixel((75, 25))) == ((100, 50), (255, 255, 255))


def test_a_document_is_printed_and_stored(client):
    assert render(client, format="pdf").data.startswith(b"%PDF-")
    assert render(client, format="pdf", persist=True).json["content_type"] == "application/pdf"


def test_markdown_fills_its_height(client):
    answer = client.post("/render", json={"markdown": "# s3cret\n\n" + "- one more\n" * 40, "full_page": True})
    assert Image.open(io.BytesIO(answer.data)).height > 1000


def test_a_job_draws_what_its_caller_has_sent(client, built):
    id_ = render(client, {"Prefer": "respond-async"}).json["job_id"]
    tasks.capture(built, id_, 1, INTERACTIVE)
    picture = Image.open(io.BytesIO(client.get(f"/jobs/{id_}/image").data)).convert("RGB")
    assert (picture.size, picture.getpixel((100, 150))) == ((400, 200), (255, 0, 0))
