"""TEMPLATES_DIR: the operator's own templates, served."""

import pytest

from tests.support.screenshot_api import running_screenshot_api


@pytest.fixture
def api():
    with running_screenshot_api("engine") as server:
        yield server


@pytest.fixture
def settings(settings, tmp_path):
    folder = tmp_path / "templates" / "fragile"
    folder.mkdir(parents=True)
    (folder / "template.toml").write_text(
        'title = "x"\n[variables.title]\ntype = "text"\nrequired = true\nexample = "Longer"\n'
    )
    (folder / "template.html").write_text("<p>{{ title[3] }}</p>")
    return settings | {"templates_dir": tmp_path / "templates", "capture_api": "engine", "capture_api_key": ""}


def test_data_with_which_a_template_fails_are_an_error_that_says_so(client, api):
    answer = client.get("/card/fragile.png?title=ab&wait=20")
    assert (answer.status_code, answer.json["code"], answer.json["retryable"]) == (502, "capture_failed", False)
    assert answer.json["detail"] == "template: fragile cannot be drawn with these data"
    assert api.calls == []
