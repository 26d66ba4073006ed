"""The code that the front door gives out is run as it stands, against the running service."""

import html
import io
import json
import re
import shutil
import subprocess
import sys
import threading
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest
import redis as redis_library
from markdown_it import MarkdownIt
from PIL import Image
from playwright.sync_api import expect

from tests.support.browser import serving
from tests.support.front_door import running_door
from tests.support.processes import wait_until
from tests.support.screenshot_api import running_screenshot_api

# A target whose query, quotes and brackets each language must write correctly.
URL = "https://example.com/a'b?q=1&r=%22%24x%22&s=[2]#top"
FORM = {
    "url": URL,
    "w": "320",
    "h": "180",
    "format": "webp",
    "full_page": "true",
    "selector": 'main[lang="en"] > \\p, $a',
}
SIGNING_KEY = "a-signing-key-of-32-characters-xx"
KEYS = {"open": {}, "signed": {"signing_keys": (SIGNING_KEY,)}}


class Editors:
    """A web site of another origin, with the page that it is given."""

    page = ""

    def __call__(self, _environ, start_response):
        start_response("200 OK", [("Content-Type", "text/html; charset=utf-8")])
        return [self.page.encode()]


@pytest.fixture(scope="module")
def editors():
    site = Editors()
    with serving(site) as site.url:
        yield site


@pytest.fixture(scope="module")
def api():
    with running_screenshot_api("engine") as server:
        yield server


@pytest.fixture(scope="module", params=KEYS)
def written(request, redis_server, api, editors, tmp_path_factory):
    """The code that the page shows for FORM, by its name."""
    folder = tmp_path_factory.mktemp(request.param)
    changes = {"cors_origins": (editors.url,), "memory_cache_bytes": 0}  # a test empties Redis
    with running_door(redis_server, api, folder, **changes, **KEYS[request.param]) as url:
        with urlopen(Request(url, urlencode(FORM | {"key": SIGNING_KEY}).encode())) as response:
            page = response.read().decode()
        found = re.findall(r'id="snippet-([a-z]+)" data-ending="([a-z]+)">(.*?)</code>', page, re.DOTALL)
        yield {name: (ending, html.unescape(text)) for name, ending, text in found}


def run(written, name, folder, *command):
    """Run the code of a language in `folder`, where it may leave a file."""
    ending, text = written[name]
    file = folder / f"code.{ending}"
    file.write_text(text, encoding="utf-8")
    return subprocess.run([*command, str(file)], cwd=folder, check=True, capture_output=True, text=True).stdout


def assert_is_picture(file):
    with Image.open(file) as image:
        assert (image.format, image.size) == ("WEBP", (320, 180))


def require(program):
    if shutil.which(program) is None:
        pytest.skip(f"no {program} on this machine")


def test_curl(written, tmp_path):
    run(written, "curl", tmp_path, "sh")
    assert_is_picture(tmp_path / "thumb.webp")


def test_python(written, tmp_path):
    run(written, "python", tmp_path, sys.executable)
    assert_is_picture(tmp_path / "thumb.webp")


def test_javascript(written, tmp_path):
    require("node")
    ending, text = written["javascript"]
    shown = run(
        {"javascript": (ending, f"{text}\nconsole.log(picture.type, picture.size)")}, "javascript", tmp_path, "node"
    )
    content_type, size = shown.split()
    assert content_type == "image/webp"
    assert int(size) > 100


def test_php(written, tmp_path):
    require("php")
    assert run(written, "php", tmp_path, "php") == ""
    assert_is_picture(tmp_path / "thumb.webp")


def test_go(written, tmp_path):
    compiler = ("go", "build") if shutil.which("go") else ("gccgo",)
    require(compiler[0])
    run(written, "go", tmp_path, *compiler, "-o", str(tmp_path / "program"))
    subprocess.run([tmp_path / "program"], cwd=tmp_path, check=True)
    assert_is_picture(tmp_path / "thumb.webp")


@pytest.mark.parametrize("name", ["img", "picture", "markdown"])
def test_a_page_of_another_site_shows_the_picture(written, editors, browser, name):
    ending, text = written[name]
    editors.page = f"<!doctype html>{MarkdownIt().render(text) if ending == 'md' else text}"
    page = browser.new_page(device_scale_factor=2)
    try:
        page.goto(editors.url)
        image = page.locator("img")
        assert image.evaluate("image => image.decode().then(() => true)")
        assert image.get_attribute("alt") == "Screenshot of example.com"
        source = image.evaluate("image => image.currentSrc")
        if name == "picture":
            assert "format=avif" in source
            assert "w=640" in source
        else:
            assert (image.evaluate("image => [image.naturalWidth, image.naturalHeight]")) == [320, 180]
        if name == "markdown":
            assert page.locator("a").get_attribute("href").startswith("https://example.com/a'b?q=1&r=%22%24x%22")
    finally:
        page.close()


def test_the_picture_element_costs_one_capture(written, api):
    with_clip_or_element = [call for call in api.calls if "selector" in call.params]
    assert len({json.dumps(call.params, sort_keys=True) for call in with_clip_or_element}) == 1


def test_an_image_that_is_not_known_arrives_without_a_reload(written, api, editors, browser, redis_server):
    """Its placeholder is grey."""
    gate = threading.Event()
    api.reset()
    api.hold(gate)
    with redis_library.Redis.from_url(redis_server.url) as client:
        client.flushall()
    editors.page = f"<!doctype html>{written['img'][1]}"
    page = browser.new_page()
    try:
        page.goto(editors.url)
        assert page.locator("img").evaluate("image => image.decode().then(() => image.naturalWidth)") == 320
        assert not has_colour(page)
        gate.set()
        wait_until(lambda: page.wait_for_timeout(250) or has_colour(page), "the picture")
    finally:
        gate.set()
        page.close()


def has_colour(page):
    seen = Image.open(io.BytesIO(page.locator("img").screenshot())).convert("RGB")
    return any(max(colour) - min(colour) > 20 for _, colour in seen.getcolors(seen.width * seen.height))


def test_a_shortcode_names_each_option(written):
    """As WordPress reads it: https://developer.wordpress.org/apis/shortcode/. Its plug-in decodes the entities."""
    _, text = written["wordpress"]
    inside = re.fullmatch(r"\[thumbnail ([^\[\]\\]*)\]", text)[1]  # WordPress removes backslashes
    attributes = {name: html.unescape(value) for name, value in re.findall(r'(\w+)="([^"]*)"', inside)}
    assert attributes == {
        "url": URL,
        "width": "320",
        "height": "180",
        "format": "webp",
        "full_page": "true",
        "selector": FORM["selector"],
    }


def test_the_button_of_a_cms_stores_a_permanent_picture(written, editors, browser):
    _, text = written["cms"]
    editors.page = f'<!doctype html><meta charset="utf-8">{text}'
    page = browser.new_page()
    try:
        page.goto(editors.url)
        page.get_by_role("button", name="Generate thumbnail").click()
        status = page.get_by_role("status")
        if "YOUR_API_KEY" in text:  # a key of nobody
            expect(status).to_contain_text("needs an API key")
        else:
            expect(status).to_contain_text("/media/thumbs/")
            with urlopen(status.text_content()) as response:
                assert response.headers["Content-Type"] == "image/webp"
    finally:
        page.close()
