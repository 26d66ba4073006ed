import json

import pytest

from tests.support.screenshot_api import drawn, running_screenshot_api
from tests.support.site import running_site


def saying(**metadata):
    """Answer with a picture and what its page says of itself."""

    def behaviour(answer):
        body, content_type = drawn(answer)
        answer.reply(200, body, {"Content-Type": content_type, "X-Page-Metadata": json.dumps(metadata)})

    return behaviour


@pytest.fixture
def engine_api():
    with running_screenshot_api("engine", key="sesame") as server:
        yield server


@pytest.fixture(scope="module")
def _web():
    with running_site() as site:
        yield site


@pytest.fixture
def web(_web):
    """A web server on loopback that the service may ask as `img.example`."""
    _web.routes.clear()
    _web.requests.clear()
    return _web


@pytest.fixture
def settings(settings, engine_api, web, resolver):
    resolver.answers["img.example"] = ["127.0.0.1"]
    return settings | {
        "capture_api": "engine",
        "capture_url": engine_api.url,
        "capture_api_key": "sesame",
        "private_targets": f"img.example:{web.port}",
    }
