"""A service with templates of its own, and a screenshot API that draws what it is sent."""

import pytest

from tests.support.screenshot_api import running_screenshot_api

TEMPLATE = {
    "template.toml": """
title = "Mine"
width = 1000
height = 500
[variables.title]
type = "text"
required = true
length = 40
[variables.note]
type = "long text"
[variables.count]
type = "number"
[variables.picture]
type = "image"
""",
    "template.html": "<h1>{{ title }}</h1><p>{{ note }}</p><i>{{ count }}</i>{% if picture %}<img src='{{ picture }}'>{% endif %}",
}
WITH_PAGE = {
    "template.toml": 'title = "Page"\n[variables.url]\ntype = "thumbnail"\nrequired = true\n[variables.title]\ntype = "text"\n',
    "template.html": "<h1>{{ title }}</h1>{% if url | thumbnail %}<img src='{{ url | thumbnail }}'>{% endif %}",
}


@pytest.fixture
def settings(settings, tmp_path):
    for name, files in {"mine": TEMPLATE, "page": WITH_PAGE}.items():
        folder = tmp_path / "templates" / name
        folder.mkdir(parents=True)
        for file, text in files.items():
            (folder / file).write_text(text)
    return settings | {"templates_dir": tmp_path / "templates", "capture_api": "engine"}


@pytest.fixture
def api():
    with running_screenshot_api("engine") as server:
        yield server
