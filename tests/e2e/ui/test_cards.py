"""The pages of cards as people meet them: by eye, keyboard, phone, screen reader, and without scripts."""

import json

import pytest
from playwright.sync_api import expect

from tests.support.browser import faults
from tests.support.front_door import running_door
from tests.support.screenshot_api import drawn, picture, running_screenshot_api

MAKER = "/cards/templates/article"
SHARED = {"title": "Gardens", "og:description": "Twelve gardens. " * 20, "og:image": "/relative.png"}


def reading(answer):
    """Draw what is asked for. Pages say how they are shared."""
    if "url" not in answer.params:
        return picture(answer)
    body, content_type = drawn(answer)
    said = {"status": 200, "url": answer.params["url"], "title": "Gardens", "share": SHARED}
    return answer.reply(200, body, {"Content-Type": content_type, "X-Page-Metadata": json.dumps(said)})


@pytest.fixture(scope="module")
def cards(redis_server, tmp_path_factory):
    with running_screenshot_api("engine") as api:
        api.behave(reading, times=10_000)
        limits = {"thumb_limit": "10000 per minute", "rendition_limit": "10000 per minute"}
        with running_door(redis_server, api, tmp_path_factory.mktemp("cards"), **limits) as url:
            yield url


def test_the_pages_are_accessible_and_fit_the_window_in_each_state(cards, open_page):
    page = open_page(f"{cards}/cards")
    wrong = []

    def look(state):
        page.wait_for_load_state("networkidle")
        wrong.extend(f"{state}, {each}" for each in faults(page))

    look("gallery")
    page.get_by_role("link", name="Article").click()
    look("maker")
    page.locator("details").evaluate_all("all => all.forEach(each => each.open = true)")
    page.fill("#var-background", "no colour")
    page.get_by_role("button", name="Make").click()
    expect(page.locator("#var-background")).to_be_focused()
    look("wrong")
    page.get_by_role("link", name="Check a page").click()
    look("checker")
    page.fill("#url", "https://example.com/")
    page.get_by_role("button", name="Check", exact=True).click()
    expect(page.get_by_role("article")).to_have_count(6)
    look("checked")
    assert wrong == []


def test_the_card_follows_what_is_typed_and_the_code_names_it(cards, open_page):
    page = open_page(f"{cards}{MAKER}")
    first = page.locator("#preview img").get_attribute("src")
    page.get_by_label("Title").fill("Typed by hand")
    expect(page.locator("#preview img")).to_have_attribute("alt", "Card: Typed by hand")
    assert page.locator("#preview img").get_attribute("src") != first
    expect(page.locator("#snippet-meta")).to_contain_text('og:image:alt" content="Typed by hand"')
    assert "title=Typed" in page.url
    page.get_by_label("Title").fill("")
    expect(page.locator("#wrong-title")).to_have_text("Title is missing.")
    assert page.locator("#preview img").get_attribute("alt") == "Card: Typed by hand"


def test_without_scripts_the_form_is_a_link(cards, open_page):
    page = open_page(f"{cards}{MAKER}", scripts=False)
    page.get_by_label("Title").fill("Sent as a form")
    page.get_by_label("Title").press("Enter")
    page.wait_for_url("**title=Sent**")
    assert page.locator("#preview img").get_attribute("alt") == "Card: Sent as a form"
    assert page.locator("#preview img").evaluate("each => each.complete && each.naturalWidth > 0")
    assert page.locator(".copy:visible").count() == 0
