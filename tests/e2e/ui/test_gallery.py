"""The gallery as people meet it: by eye, keyboard, phone, screen reader, and without scripts."""

import pytest
from playwright.sync_api import expect

from tests.support.browser import faults, overflows, violations
from tests.support.catalogue import page as picture_of_page
from tests.support.site_states import capture, fail

TITLES = {
    "plain": "The Daily Gazette",
    "arabic": "متجر الكتب القديمة في وسط المدينة",
    "japanese": "日本の伝統的な庭園と四季の風景を紹介するウェブサイト",
    "devanagari": "हिन्दी समाचार और साहित्य का घर",
    "long": "many words " * 18 + "W" * 120,
}


@pytest.fixture
def sites(served, add):
    """A site in each state, and with each kind of title."""
    database = served.services.database
    made = {name: add(f"{name}.example", title=title, tags=("news",)) for name, title in TITLES.items()}
    for site in made.values():
        capture(database, site, 10, 0.01, 60)
    made["tall"] = add("tall.example", options={"full_page": "1"})
    capture(database, made["tall"], 3, size=(1280, 9000))
    made["failing"] = add("failing.example")
    capture(database, made["failing"], colour="#000000")
    fail(database, made["failing"], "the page did not answer within 25 seconds", 7)
    made["lost"] = add("lost.example")
    fail(database, made["lost"], "the name of the host does not resolve")
    made["waiting"] = add("waiting.example")
    return made


def test_the_wall_is_accessible_and_fits_the_window(served, sites, open_page):
    page = open_page(f"{served.url}/gallery")
    assert page.locator(".card").count() == len(sites)
    assert faults(page) == []
    page.set_viewport_size({"width": 640, "height": 400})  # what remains of 1280 × 800 at 200 %
    assert not overflows(page), "text at twice the size does not fit"


@pytest.mark.parametrize("path", ["/gallery", "/gallery?q=nothing", "/gallery/nowhere", "/gallery?sort=age"])
def test_pages_with_nothing_to_show_are_accessible_too(served, catalogue, open_page, path):
    assert faults(open_page(served.url + path)) == []


def test_cards_keep_their_places_while_pictures_load(served, sites, open_page):
    page = open_page(f"{served.url}/gallery", scripts=False)
    for place in page.locator(".card .picture").all():
        box = place.bounding_box()
        assert box["width"] / box["height"] == pytest.approx(16 / 9, rel=0.01)


def test_a_card_is_one_link_that_the_keyboard_reaches_in_order(served, add, open_page):
    first, second = add("a.example", title="A"), add("b.example", title="B")
    page = open_page(f"{served.url}/gallery?sort=title")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    page.locator(".sorts a").last.focus()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('href')") == f"/gallery/{first.id}"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('href')") == f"/gallery/{second.id}"
    page.locator(f'[data-site="{first.id}"]').click(position={"x": 20, "y": 20})  # on the picture
    expect(page).to_have_url(f"{served.url}/gallery/{first.id}")


def test_a_search_works_without_scripts_and_back_goes_back(served, add, open_page):
    add("a.example", title="Apples")
    add("b.example", title="Pears")
    page = open_page(f"{served.url}/gallery", scripts=False)
    page.get_by_role("searchbox").fill("pears")
    page.keyboard.press("Enter")
    expect(page.locator(".card h2")).to_have_text(["Pears"])
    page.go_back()
    expect(page.locator(".card h2")).to_have_count(2)


def test_a_picture_takes_the_place_of_its_card_when_the_capture_is_there(served, add, open_page):
    site = add("a.example", title="Apples")
    page = open_page(f"{served.url}/gallery")
    expect(page.get_by_text("Waiting for its first picture")).to_be_visible()
    page.locator(".card a").focus()
    capture(served.services.database, site)
    expect(page.locator('.card[data-state="ready"] img')).to_be_attached(timeout=15_000)
    expect(page.locator("#arrivals")).to_have_text("New pictures: Apples")
    assert page.evaluate("document.activeElement.textContent.trim()") == "Apples"


def test_the_page_of_a_site_shows_its_first_picture_when_the_capture_is_there(served, add, open_page):
    site = add("a.example")
    page = open_page(f"{served.url}/gallery/{site.id}")
    expect(page.get_by_text("Waiting for its first picture")).to_be_visible()
    capture(served.services.database, site)
    expect(page.locator(".sheet img")).to_be_attached(timeout=15_000)


@pytest.mark.parametrize("scripts", [True, False])
def test_a_theme_that_is_chosen_stays(served, catalogue, open_page, scripts):
    page = open_page(f"{served.url}/gallery?q=a", scripts=scripts)
    light = background(page)
    page.get_by_role("button", name="dark").click()
    expect(page.get_by_role("button", name="dark")).to_have_attribute("aria-pressed", "true")
    assert background(page) != light
    assert page.url == f"{served.url}/gallery?q=a"
    page.wait_for_load_state("networkidle")
    page.reload()
    assert background(page) != light


def background(page):
    return page.locator("body").evaluate("body => getComputedStyle(body).backgroundColor")


def test_pictures_of_sites_are_shown(served, add, open_page):
    site = add("a.example", title="Apples")
    for mark in (0, 40):
        served.services.history.upload(site.id, picture_of_page(mark, size=(1280, 720)))
    page = open_page(f"{served.url}/gallery")
    page.wait_for_load_state("networkidle")
    assert page.locator(".card img").evaluate("picture => picture.naturalWidth") > 0
    page.get_by_role("link", name="Apples").click()
    for query, pictures in (("", 1), ("?from=1&to=2", 2), ("?from=1&to=2&view=difference", 1)):
        page.goto(f"{served.url}/gallery/{site.id}{query}")
        page.wait_for_load_state("networkidle")
        widths = page.locator(".sheet img").evaluate_all("pictures => pictures.map((each) => each.naturalWidth)")
        assert len(widths) == pictures
        assert min(widths) >= 960


def test_a_picture_that_cannot_be_loaded_shows_its_text(served, sites, open_page):
    page = open_page(f"{served.url}/gallery?q=plain")
    page.route("**/image?*", lambda route: route.abort())
    page.reload()
    expect(page.locator(f'[data-site="{sites["plain"].id}"] img')).to_have_class("broken")
    assert violations(page) == []


def test_a_page_of_each_kind_of_site_is_accessible_and_fits_the_window(served, sites, open_page):
    page = open_page(f"{served.url}/gallery")
    paths = [f"/gallery/{site.id}" for site in sites.values()]
    compared = [
        f"{paths[0]}?from=1&to=4",
        f"{paths[0]}?from=2&to=3&view=side",
        f"{paths[0]}?from=1&to=2&view=difference",
    ]
    for path in [*paths, *compared]:
        page.goto(served.url + path)
        assert (path, faults(page)) == (path, [])


def test_the_line_between_two_versions_follows_keys_and_pointer(served, sites, open_page):
    page = open_page(f"{served.url}/gallery/{sites['plain'].id}?from=1&to=2")
    before, after = page.locator(".compare .sheet").all()
    assert before.bounding_box() == after.bounding_box()
    line = page.get_by_role("slider")
    line.focus()
    page.keyboard.press("Home")
    assert line_at(page) == 0
    box = before.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 4, box["y"] + 60)
    page.mouse.up()
    assert line_at(page) == pytest.approx(25, abs=0.5)
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 60)
    assert line_at(page) == pytest.approx(25, abs=0.5)


def line_at(page):
    clip = page.locator(".compare .sheet").last.evaluate("sheet => getComputedStyle(sheet).clipPath")
    return float(clip.rpartition(" ")[2].rstrip("%px)"))


def test_two_versions_stand_beside_each_other_without_scripts(served, sites, open_page):
    page = open_page(f"{served.url}/gallery/{sites['plain'].id}?from=1&to=2", scripts=False)
    before, after = (sheet.bounding_box() for sheet in page.locator(".compare .sheet").all())
    assert before["x"] + before["width"] <= after["x"]
    assert page.get_by_role("slider").count() == 0
    page.locator("select[name=from]").select_option("2")
    page.locator("select[name=to]").select_option("4")
    page.locator("select[name=view]").select_option("side by side")
    page.get_by_role("button", name="Compare").click()
    assert page.url.endswith("?from=2&to=4&view=side")
    expect(page.locator(".compare figcaption")).to_contain_text(["Version 2", "Version 4"])
