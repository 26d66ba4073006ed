"""The application with every dialect switched on, in this process, in front of a scripted engine."""

import io

import pytest
from PIL import Image

import services
from app import create_app
from config import DIALECTS, Settings
from tests.support.screenshot_api import running_screenshot_api

PUBLIC = "93.184.216.34"


@pytest.fixture(scope="module")
def engine():
    with running_screenshot_api("engine") as api:
        yield api


@pytest.fixture(scope="module")
def speak_with(redis_server, engine, tmp_path_factory):
    """Make clients of applications that speak all dialects, with some settings of their own."""
    folder, made = tmp_path_factory.mktemp("dialects"), []

    def make(**changes):
        number = len(made)
        chosen = Settings.of(
            **{
                "redis_url": redis_server.url,
                "redis_prefix": f"dialects-{folder.name}-{number}".replace("/", ""),
                "capture_url": engine.url,
                "persist_dir": folder / "media",
                "database_url": f"sqlite:///{folder}/thumbnails.db",
                "originals": "redis",
                "dialects": ",".join(DIALECTS),
                "thumb_limit": "1000 per minute",
                "rendition_limit": "1000 per minute",
            }
            | changes
        )
        built = services.build(chosen, lambda _name: [PUBLIC])
        made.append(built)
        return create_app(chosen, built).test_client()

    yield make
    for built in made:
        built.close()


@pytest.fixture(scope="module")
def speak(speak_with):
    return speak_with()


def size_of(response):
    return Image.open(io.BytesIO(response.data)).size
