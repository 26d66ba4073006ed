"""The page `/` as people meet it: by eye, keyboard, phone, screen reader, and without scripts."""

import re
import threading
from urllib.parse import parse_qsl

import pytest
from playwright.sync_api import expect

from tests.support.browser import SIZES, faults, overflows
from tests.support.front_door import API_KEY, running_door
from tests.support.screenshot_api import refuse, running_screenshot_api, sized

URL = "https://example.com/"


@pytest.fixture(scope="module")
def api():
    with running_screenshot_api("engine") as server:
        yield server


@pytest.fixture(scope="module")
def door(redis_server, api, tmp_path_factory):
    with running_door(redis_server, api, tmp_path_factory.mktemp("door")) as url:
        yield url


@pytest.fixture(autouse=True)
def _nothing_asked(api):
    api.reset()


def capture(page, url=URL):
    page.fill("#url", url)
    page.get_by_role("button", name="Capture", exact=True).click()
    settle(page)


def settle(page):
    expect(page.locator("#result:not([aria-busy])")).not_to_have_attribute("data-state", "nothing")


def result(page):
    return page.locator("#result").get_attribute("data-state")


def test_it_is_accessible_and_fits_the_window_in_each_state(door, api, open_page):
    page = open_page(door)
    wrong = []

    def look(state):
        assert result(page) == state
        wrong.extend(f"{state}, {each}" for each in faults(page))

    look("nothing")
    api.behave(sized(1280, 6000), url="https://tall.example/")
    page.check("[type=checkbox][name=full_page]")
    capture(page, "https://tall.example/")
    look("ready")
    api.behave(refuse(502, "upstream", "down"), times=9, url="https://down.example/")
    capture(page, "https://down.example/")
    look("failed")
    page.fill("#option-w", "7")
    page.locator("details").evaluate_all("all => all.forEach(each => each.open = true)")
    capture(page, "not a url")
    look("failed")
    assert wrong == []


def test_text_at_twice_the_size_still_fits(door, open_page):
    page = open_page(door)
    capture(page)
    page.set_viewport_size({"width": 640, "height": 400})  # what remains of 1280 × 800 at 200 %
    assert not overflows(page)


def test_each_option_is_set_by_keyboard(door, open_page):
    page = open_page(door)
    page.route("**/", lambda route: route.abort() if route.request.method == "POST" else route.continue_())
    controls = {each.get_attribute("name") for each in page.locator("#try :is(select, textarea, input)").all()}
    reached = set()
    page.locator("#url").focus()
    page.keyboard.type(URL)
    for _ in range(2 * len(controls)):
        if reached >= controls - {"url"}:
            break
        page.keyboard.press("Tab")
        kind, name = page.evaluate(
            "[document.activeElement.type ?? document.activeElement.tagName, document.activeElement.name]"
        )
        if kind == "SUMMARY":
            page.keyboard.press("Enter")
        elif kind == "select-one":
            page.keyboard.press("ArrowDown")
        elif kind == "checkbox":
            page.keyboard.press("Space")
        elif kind in ("text", "number", "textarea"):
            page.keyboard.press("Control+A")
            page.keyboard.type("3")
        reached.add(name)
    assert reached >= controls - {"url"}
    with page.expect_request(lambda request: request.method == "POST") as sent:
        page.locator("#url").press("Enter")
    fields = dict(parse_qsl(sent.value.post_data, keep_blank_values=True))
    assert controls - fields.keys() == set()
    assert {name for name, value in fields.items() if value == ""} == set()
    assert (fields["full_page"], fields["block_ads"], fields["w"], fields["url"]) == ("true", "false", "3", URL)


def test_nothing_is_captured_before_a_person_asks_and_changes_show_at_once_afterwards(door, api, open_page):
    page = open_page(f"{door}/?url=https://changes.example/&w=320&format=webp")
    page.select_option("#option-format", "jpeg")
    page.check("[type=checkbox][name=dark_mode]")
    assert api.calls == []
    page.get_by_role("button", name="Capture", exact=True).click()
    settle(page)
    expect(page.locator("figure img")).to_have_attribute("src", re.compile("format=jpeg&dark_mode=true"))
    page.select_option("#option-format", "avif")
    expect(page.locator("figure img")).to_have_attribute("src", re.compile("format=avif"))
    expect(page.locator("dl")).to_contain_text("nothing")
    assert page.locator("figure img").evaluate("image => image.decode().then(() => image.naturalWidth)") == 320
    assert len(api.calls) == 1


def test_an_option_that_changes_during_the_first_capture_counts(door, api, open_page):
    gate = threading.Event()
    api.hold(gate)
    page = open_page(door)
    page.fill("#url", "https://hasty.example/")
    page.get_by_role("button", name="Capture", exact=True).click()
    expect(page.locator("#result")).to_have_attribute("aria-busy", "true")
    with page.expect_request(lambda request: "format=jpeg" in (request.post_data or "")):
        page.select_option("#option-format", "jpeg")
    gate.set()
    expect(page.locator("figure img")).to_have_attribute("src", re.compile("format=jpeg"))


def test_a_reload_and_a_way_back_keep_the_options_and_capture_nothing(door, api, open_page):
    page = open_page(door)
    page.fill("#option-w", "200")
    page.fill("#option-selector", "main")
    capture(page, "https://back.example/")
    asked = len(api.calls)
    for go in (page.reload, lambda: (page.goto(f"{door}/gallery"), page.go_back())):
        go()
        assert page.input_value("#url") == "https://back.example/"
        assert (page.input_value("#option-w"), page.input_value("#option-selector")) == ("200", "main")
        assert result(page) == "ready"
    assert len(api.calls) == asked


def test_a_slow_picture_arrives_without_a_reload(door, api, open_page):
    gate = threading.Event()
    api.hold(gate)
    page = open_page(f"{door}/?url=https://slow.example/&w=320&wait=0")
    page.get_by_role("button", name="Capture", exact=True).click()
    expect(page.locator("#result")).to_have_attribute("data-state", "pending")
    expect(page.locator("#said")).to_contain_text("still being captured")
    gate.set()
    expect(page.locator("#result")).to_have_attribute("data-state", "ready", timeout=15_000)
    expect(page.locator("#said")).to_contain_text("Picture of slow.example, 320 by 180 pixels")
    assert len(api.calls) == 1


@pytest.mark.parametrize("size", SIZES)
def test_the_place_of_the_picture_has_its_size_in_each_state(door, api, open_page, size):
    gate = threading.Event()
    api.hold(gate)
    page = open_page(f"{door}/?url=https://place-{size}.example/&w=640&wait=1", size)
    places = [page.locator("#result .picture").bounding_box()]
    page.get_by_role("button", name="Capture", exact=True).click()
    expect(page.locator("#result")).to_have_attribute("aria-busy", "true")
    places.append(page.locator("#result .picture").bounding_box())
    expect(page.locator("#result")).to_have_attribute("data-state", "pending")
    places.append(page.locator("#result .picture").bounding_box())
    gate.set()
    expect(page.locator("#result")).to_have_attribute("data-state", "ready", timeout=15_000)
    places.append(page.locator("#result .picture").bounding_box())
    assert len({tuple(round(side) for side in place.values()) for place in places}) == 1


def test_a_person_sees_at_which_field_the_form_is_wrong(door, open_page):
    page = open_page(door)
    page.fill("#option-clip", "here")
    capture(page)
    field = page.locator("#option-clip")
    expect(field).to_be_focused()
    expect(field).to_have_accessible_description(re.compile("x,y,width,height in whole CSS pixels"))
    page.fill("#option-clip", "")
    capture(page)
    assert result(page) == "ready"
    expect(page.locator("[aria-invalid]")).to_have_count(0)


def test_a_rectangle_on_the_picture_becomes_the_clip(door, api, open_page):
    page = open_page(door)
    capture(page, "https://clip.example/")
    page.get_by_role("button", name="Draw it on the picture").press("Enter")
    box = page.locator("figure img").bounding_box()
    page.mouse.move(box["x"] + 64, box["y"] + 36)
    page.mouse.down()
    page.mouse.move(box["x"] + 264, box["y"] + 136)
    page.mouse.up()
    expect(page.locator("#option-clip")).to_have_value("128,72,400,200")  # 1280 CSS pixels are 640 of the picture
    expect(page.locator("figure img")).to_have_attribute("src", re.compile("clip=128,72,400,200"))
    assert api.calls[-1].params["clip"] == "128,72,400,200"


def test_a_person_with_a_phone_who_draws_sees_the_picture(door, open_page):
    page = open_page(door, "phone")
    capture(page, "https://clip.example/")
    page.get_by_role("button", name="Draw it on the picture").click()
    expect(page.locator("figure img")).to_be_in_viewport(ratio=0.9)


def test_each_code_is_copied_as_it_stands(door, open_page):
    page = open_page(door, permissions=["clipboard-read", "clipboard-write"])
    capture(page)
    tabs = page.get_by_role("radio")
    assert tabs.count() == 10
    tabs.first.focus()
    for index in range(10):
        expect(tabs.nth(index)).to_be_checked()
        page.get_by_role("button", name="Copy").press("Enter")
        expect(page.locator("#said")).to_have_text("Copied")
        shown = page.locator(".panel:visible code").text_content()
        assert page.evaluate("navigator.clipboard.readText()") == shown
        tabs.nth(index).press("ArrowDown")


def test_without_scripts_the_form_shows_the_picture_and_code(door, open_page):
    page = open_page(door, scripts=False)
    page.fill("#url", "https://plain.example/")
    page.fill("#option-w", "320")
    page.get_by_role("button", name="Capture", exact=True).click()
    assert result(page) == "ready"
    expect(page.locator("dl").get_by_text("MISS")).to_be_visible()
    assert page.get_by_role("button", name="Copy").count() == 0
    page.get_by_text("curl", exact=True).click()
    assert page.locator("#snippet-curl").is_visible()


@pytest.mark.parametrize("scripts", [True, False])
def test_a_key_is_asked_for_and_stays_in_its_field(redis_server, api, tmp_path, open_page, scripts):
    with running_door(redis_server, api, tmp_path, api_keys=(f"cms:{API_KEY}",)) as door:
        page = open_page(door, scripts=scripts)
        page.fill("#key", API_KEY)
        page.fill("#url", f"https://keyed-{scripts}.example/")
        page.get_by_role("button", name="Capture", exact=True).click()
        expect(page.locator("#result")).to_have_attribute("data-state", "ready")
        expect(page.locator("dl").get_by_text("1 capture, ")).to_be_visible()
        assert API_KEY not in page.url + page.content()
        if scripts:
            assert page.evaluate("Object.keys(localStorage).length + Object.keys(sessionStorage).length") == 0
