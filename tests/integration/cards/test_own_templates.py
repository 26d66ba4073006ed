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


@pytest.mark.parametrize(
    ("picture", "status", "code"),
    [
        ("http://10.0.0.1/a.png", 400, "blocked_url"),
        ("http://localhost/a.png", 400, "blocked_url"),
        ("https://elsewhere.example/a.png", 403, "forbidden_host"),
    ],
)
def test_a_picture_in_the_data_is_judged_as_a_page_is(make_client, api, picture, status, code):
    client = make_client(allowed_targets="example.com")
    answer = client.get("/card/article.png", query_string={"title": "A", "image": picture, "wait": 20})
    assert (answer.status_code, answer.json["code"]) == (status, code)
    posted = client.post("/v1/og-image", json={"template": "product-card", "data": {"name": "A", "image_url": picture}})
    assert posted.status_code == status
    assert api.calls == []


def test_a_picture_of_an_allowed_host_is_shown(make_client, api):
    answer = make_client(allowed_targets="example.com").get(
        "/card/article.png", query_string={"title": "A", "image": "https://example.com/a.png", "wait": 20}
    )
    assert answer.status_code == 200
    assert [call.params["network"] for call in api.calls] == [True]
