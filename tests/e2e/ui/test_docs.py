"""`/docs`, on which people read the OpenAPI document and try it out. It comes from an installed package, offline."""

import gzip
import shutil
from types import SimpleNamespace

import pytest
import redis as redis_library
from playwright.sync_api import expect

import services
from app import create_app
from config import Settings
from tests.support.browser import overflows, serving, show_as, violations
from tests.support.screenshot_api import running_screenshot_api

KEY = "correct-horse-battery"
# Swagger UI puts a lock into the button that opens an operation, leaves out a level of headings, and has its title outside
# of its <main>.
OF_THE_PACKAGE = ("nested-interactive", "heading-order", "region")


@pytest.fixture(scope="module")
def served(redis_server, _migrated_file, tmp_path_factory):
    """The service with an API key, and a screenshot API."""
    folder = tmp_path_factory.mktemp("docs")
    shutil.copy(_migrated_file, folder / "thumbnails.db")
    with redis_library.Redis.from_url(redis_server.url) as client:
        client.flushall()
    with running_screenshot_api("engine") as api:
        settings = Settings.of(
            redis_url=redis_server.url,
            database_url=f"sqlite:///{folder}/thumbnails.db",
            capture_api="engine",
            capture_url=api.url,
            persist_dir=folder / "media",
            originals="redis",
            api_keys=f"cms:{KEY}",
        )
        built = services.build(settings, lambda _name: ["93.184.216.34"])
        app = create_app(settings, built)
        with serving(app) as url:
            yield SimpleNamespace(url=url, client=app.test_client())
        built.close()


@pytest.fixture
def docs(served, open_page):
    """Open the page. Swagger UI takes a second or more to draw it, and as long to open an operation."""

    def open_docs(operation="", **look):
        page = open_page(f"{served.url}/docs{operation}", **look)
        expect(page.locator(".opblock").first).to_be_visible()
        return page

    return open_docs


def test_the_page_fits_each_window_follows_the_theme_and_tries_a_picture_out(docs):
    page = docs(size="phone", theme="dark")
    expect(page.locator("html.dark-mode")).to_be_attached()
    assert breaches(page) == ""
    assert not overflows(page), "it is wider than a phone"

    show_as(page, "desktop", "light")
    expect(page.locator("html.dark-mode")).not_to_be_attached()
    assert breaches(page) == ""
    assert not overflows(page), "it is wider than a desktop"
    light = colour_of(page)
    page.get_by_role("button", name="dark").click()
    expect(page.locator("html.dark-mode")).to_be_attached()
    assert colour_of(page) != light, "the theme changes with a reload only"

    show_as(page, "phone", "light")
    operation = open_operation(page, "get_thumbnail")
    assert not overflows(page), "an operation with all its options is wider than a phone"
    name, words = page.locator("tr[data-param-name=device] td").all()
    assert words.bounding_box()["y"] > name.bounding_box()["y"], "beside the name there is no room for a sentence"

    operation.locator("tr[data-param-name=url] input").fill("https://example.com/")
    operation.locator("tr[data-param-name=w] input").fill("320")
    operation.get_by_role("button", name="Execute").click()
    picture = operation.locator(".live-responses-table img")
    expect(picture).to_be_visible()
    assert picture.evaluate("each => [each.naturalWidth, each.complete]") == [320, True]
    expect(operation.locator(".live-responses-table")).to_contain_text("x-cache: MISS")


def breaches(page):
    page.evaluate("Promise.allSettled(document.getAnimations().map((each) => each.finished))")  # colours change slowly
    return "\n".join(each for each in violations(page) if not each.startswith(OF_THE_PACKAGE))


def colour_of(page):
    return page.locator(".opblock-summary-path").first.evaluate("each => getComputedStyle(each).color")


def open_operation(page, name):
    operation = page.locator(f"[id$='-{name}'].opblock")
    operation.locator(".opblock-summary-control").click()
    operation.get_by_role("button", name="Try it out").click()
    return operation


def test_a_key_is_sent_and_is_forgotten_by_a_reload(docs):
    page = docs("#/SnapSharp's%20contract/get_usage")
    assert status_of_usage(page) == "401"
    page.locator(".scheme-container").get_by_role("button", name="Authorize").click()
    dialog = page.locator(".auth-container").first
    dialog.locator("input").fill(KEY)
    dialog.get_by_role("button", name="Apply credentials").click()
    page.get_by_role("button", name="Close").first.click()
    page.get_by_role("button", name="Execute").click()
    expect(page.locator(".live-responses-table .response-col_status").last).to_contain_text("200")
    page.reload()
    assert status_of_usage(page) == "401"
    assert page.evaluate("JSON.stringify({...localStorage, ...sessionStorage})") == "{}"


def status_of_usage(page):
    """Send the request of the operation that the address names: the page opens it by itself."""
    operation = page.locator("[id$='-get_usage'].opblock")
    operation.get_by_role("button", name="Try it out").click()
    operation.get_by_role("button", name="Execute").click()
    status = operation.locator(".live-responses-table .response-col_status").last
    expect(status).to_be_visible()
    return status.inner_text().split()[0]


def test_the_packages_files_are_kept_by_browsers_and_compressed(served):
    text = served.client.get("/docs").get_data(as_text=True)
    (path,) = {each.split('"')[0] for each in text.split('src="')[1:] if each.startswith("/docs/")}
    plain = served.client.get(path)
    packed = served.client.get(path, headers={"Accept-Encoding": "gzip"})
    assert "immutable" in plain.headers["Cache-Control"]
    assert gzip.decompress(packed.data) == plain.data
    assert len(packed.data) < len(plain.data) / 2
    tag = {"If-None-Match": packed.headers["ETag"], "Accept-Encoding": "gzip"}
    assert served.client.get(path, headers=tag).status_code == 304
    assert served.client.get("/docs/oauth2-redirect.html").status_code == 404
