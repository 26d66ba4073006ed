"""The admin pages in a browser: log-in, add, edit, filter, bulk actions, previews; by keyboard, on a phone, without scripts."""

import shutil
from types import SimpleNamespace
from urllib.parse import urlencode

import pytest
import redis as redis_library
from playwright.sync_api import expect
from sqlalchemy import delete

import services
from app import create_app
from config import Settings
from errors import PageTimeout
from sites import Filters, SiteDraft
from sites.models import AdminSessionRow, SiteRow
from tests.support.admin import KEY, live_a_day, log_in_over_http
from tests.support.browser import faults, overflows, serving, violations
from tests.support.catalogue import page as captured_page
from tests.support.screenshot_api import running_screenshot_api
from tests.support.site_states import fail
from thumbnails import Ask, FailureHistory

pytestmark = pytest.mark.slow

LONG = "مثال على عنوان طويل 例えばの長いタイトル उदाहरण वेबसाइट " * 4
SHOWS_RECORDS = ("", "/sites", "/failures", "/jobs", "/storage", "/audit")
PAGES = (*SHOWS_RECORDS, "/sites/new", "/explain", "/keys", "/import")


@pytest.fixture(scope="module")
def served(redis_server, _migrated_file, tmp_path_factory):
    folder = tmp_path_factory.mktemp("admin")
    shutil.copy(_migrated_file, folder / "thumbnails.db")
    with running_screenshot_api("snapsharp", key="sk_live_test") as api:
        settings = Settings.of(
            redis_url=redis_server.url,
            database_url=f"sqlite:///{folder}/thumbnails.db",
            persist_dir=folder / "media",
            originals="redis",
            admin_key=KEY,
            api_keys=("cms:a-secret-of-the-cms",),
            capture_api="snapsharp",
            capture_url=api.url,
            capture_api_key="sk_live_test",
            request_limit="100000 per minute",
        )
        built = services.build(settings, lambda _name: ["93.184.216.34"])
        with serving(create_app(settings, built)) as url:
            yield SimpleNamespace(url=url, services=built)
        built.close()


@pytest.fixture(autouse=True)
def catalogue(served, redis_server):
    """The catalogue, which is empty. Nobody is logged in or locked out."""
    for row in (SiteRow, AdminSessionRow):
        served.services.database.write(lambda session, row=row: session.execute(delete(row)))
    with redis_library.Redis.from_url(redis_server.url) as client:
        client.flushall()
    return served.services.catalogue


@pytest.fixture
def sites(served, catalogue):
    """Three sites: one with a picture, one that waits, one that fails."""
    shown = catalogue.add(SiteDraft("https://one.example/", title="One", tags=("news",)), capture=False)
    waiting = catalogue.add(SiteDraft("https://two.example/", title=LONG, tags=("news", "b")))
    failing = catalogue.add(SiteDraft("https://three.example/", title="Three"))
    served.services.history.upload(shown.id, captured_page())
    fail(served.services.database, failing, "the page did not load in time", count=11)
    return shown, waiting, failing


@pytest.fixture
def open_admin(served, open_page):
    """Open a page below /admin as somebody who has logged in."""

    def open_(path="", **more):
        kept = [
            {"name": each.name, "value": each.value, "domain": "127.0.0.1", "path": each.path}
            for each in log_in_over_http(served.url).cookies
        ]
        return open_page(f"{served.url}/admin{path}", storage_state={"cookies": kept, "origins": []}, **more)

    return open_


def test_a_wrong_key_is_said_at_its_field_and_five_of_them_lock_out(served, open_page):
    page = open_page(f"{served.url}/admin")
    assert page.evaluate("document.activeElement.id") == "key"
    for _ in range(5):
        page.fill("#key", "wrong")
        page.click("main .button")
        assert page.text_content("[role=alert]") == "This is not the admin key."
    page.fill("#key", KEY)
    page.click("main .button")
    assert "Too many failed log-ins" in page.text_content("[role=alert]")
    assert violations(page) == []


def test_another_site_cannot_send_a_form(served, open_admin, catalogue, sites):
    page = open_admin("/sites")
    page.evaluate("document.querySelectorAll('[name=csrf_token]').forEach((field) => { field.value = 'guess'; })")
    page.check(f'[name=site][value="{sites[0].id}"]')
    page.click("text=Pause")
    assert "This form is no longer valid" in page.text_content("h1")
    assert not catalogue.get(sites[0].id).paused


def test_a_log_in_leads_where_a_person_went_and_a_log_out_ends_it(served, open_page):
    page = open_page(f"{served.url}/admin/jobs")
    page.fill("#key", KEY)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{served.url}/admin/jobs")
    page.click("text=Log out >> nth=0")
    page.goto(f"{served.url}/admin/sites")
    assert page.url.endswith("/admin/log-in?next=/admin/sites")


def test_a_site_is_added_and_edited(served, open_admin, catalogue):
    page = open_admin()
    page.fill("#url", "one.example")
    page.click("text=Add the site")
    page.click(".sticky .main")
    assert page.get_attribute("#url", "aria-invalid") == "true"  # no scheme
    page.fill("#url", "https://one.example/")
    page.fill("#title", "One")
    page.click(".sticky .main")
    assert page.text_content("h1") == "One"
    assert "The site was added" in page.text_content("[role=status]")
    page.fill("#tags", "news, b")
    page.check('[name="options.full_page"]')
    page.click(".sticky .main")
    (site,) = catalogue.find(Filters()).sites
    assert (site.tags, dict(site.options)) == (("b", "news"), {"full_page": "true"})


@pytest.mark.parametrize("scripts", [True, False])
def test_options_are_previewed_before_they_are_saved(served, open_admin, sites, catalogue, scripts):
    page = open_admin(f"/sites/{sites[1].id}", scripts=scripts)
    page.check('[name="options.dark_mode"]')
    page.click('button[name="preview"]')
    page.wait_for_selector('#preview img[alt="Preview of these options"]')
    if scripts:
        assert page.locator("#preview img").evaluate("(picture) => picture.naturalWidth") == 640
        with page.expect_response(lambda answer: "options.width=800" in answer.url):
            page.fill('[name="options.width"]', "800")
            page.press('[name="options.width"]', "Tab")
        page.fill('[name="options.width"]', "7")
        page.press('[name="options.width"]', "Tab")
        page.wait_for_selector("#preview-says.bad")
        assert "from 320 to 3840" in page.text_content("#preview-says")
    assert catalogue.get(sites[1].id).options == {}


def test_the_list_is_narrowed_and_back_works(served, open_admin, sites):
    page = open_admin("/sites")
    assert page.locator(".row").count() == 3
    page.click("text=failed")
    expect(page.locator(".row h2")).to_have_text(["Three"])
    page.click("nav[aria-label=Status] >> text=all")
    expect(page.locator(".row")).to_have_count(3)
    page.select_option("#tag", "news")
    page.fill("#q", "one")
    page.click("text=Show")
    expect(page.locator(".row h2")).to_have_text(["One"])
    page.go_back()
    expect(page.locator(".row")).to_have_count(3)


@pytest.mark.parametrize("scripts", [True, False])
def test_many_sites_are_changed_and_removed(served, open_admin, sites, catalogue, scripts):
    page = open_admin("/sites", scripts=scripts)
    if scripts:
        page.check("#tick-all")
        assert page.text_content("#ticked") == "3 selected"
    else:
        assert not page.is_visible("#tick-all")
        for site in sites:
            page.check(f'[name=site][value="{site.id}"]')
    page.fill("#tags", "all")
    page.click("text=Add tag")
    assert "3 sites tagged" in page.text_content("[role=status]")
    assert all("all" in catalogue.get(site.id).tags for site in sites)
    page.check(f'[name=site][value="{sites[0].id}"]')
    page.click("text=Remove …")
    assert page.text_content("h1") == "Remove 1 site?"
    page.click("main .danger")
    assert catalogue.counts().total == 2
    assert "1 site removed" in page.text_content("[role=status]")


def test_a_site_is_paused_by_keyboard_alone(served, open_admin, sites, catalogue):
    page = open_admin("/sites")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.name === 'site'"):
            break
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    chosen = int(page.evaluate("document.activeElement.value"))
    page.keyboard.press("Space")
    for _ in range(60):
        page.keyboard.press("Shift+Tab")
        if page.evaluate("document.activeElement.value === 'pause'"):
            break
    page.keyboard.press("Enter")
    page.wait_for_selector("[role=status] .notice")
    assert catalogue.get(chosen).paused
    assert catalogue.counts().paused == 1


def test_enter_in_the_form_of_a_site_saves_it(served, open_admin, sites, catalogue):
    page = open_admin(f"/sites/{sites[0].id}")
    page.fill("#title", "Other")
    page.press("#title", "Enter")
    page.wait_for_selector("[role=status] .notice")
    assert catalogue.get(sites[0].id).title == "Other"


def test_the_second_editor_sees_what_the_first_did(served, open_admin, sites, catalogue):
    page = open_admin(f"/sites/{sites[0].id}")
    catalogue.change(sites[0].id, {"title": "Theirs"})
    page.fill("#title", "Mine")
    page.click(".sticky .main")
    assert "Somebody else has changed this site" in page.text_content("[role=alert] h2")
    for title in ("Mine", "Theirs"):
        expect(page.locator("[role=alert] td").get_by_text(title, exact=True)).to_be_visible()
    assert violations(page) == []
    page.click(".sticky .main")
    assert catalogue.get(sites[0].id).title == "Mine"


def test_a_list_is_imported_after_a_look(served, open_admin, catalogue):
    page = open_admin("/import")
    page.fill("#text", "https://one.example/\nhttp://127.0.0.1/")
    page.click("text=Show what would happen")
    assert violations(page) == []
    page.click("text=Import now")
    assert [site.url for site in catalogue.find(Filters()).sites] == ["https://one.example/"]


@pytest.mark.parametrize(("size", "scripts"), [("desktop", True), ("phone", False)])
def test_the_last_day_is_plotted_in_the_colours_of_the_theme(served, open_admin, size, scripts):
    live_a_day(served.services)
    page = open_admin(size=size, scripts=scripts)
    assert page.locator(".plot").count() == 4
    fills = "document.querySelector('.plot .usual').computedStyleMap().get('fill').toString()"
    colours = set()
    for theme in ("light", "dark"):
        page.click(f".themes button >> text={theme}")
        box = page.locator(".plot").first.bounding_box()
        assert box["width"] > 250
        assert box["height"] > 90
        colours.add(page.evaluate(fills))
        assert not overflows(page)
    assert len(colours) == 2
    page.hover(".plot >> nth=0")
    assert "known" in page.locator(".plot title").first.text_content()


def test_every_page_is_accessible_and_fits(served, open_admin, sites):
    live_a_day(served.services)
    page = open_admin()
    for path in (*PAGES, f"/sites/{sites[0].id}", f"/sites/{sites[2].id}"):
        page.goto(f"{served.url}/admin{path}")
        assert faults(page) == [], path


EVENT = {
    "outcome": "timeout", "reason": "the capture took longer than 30 s", "seconds": 30.01, "bytes": 81234,
    "parts": {"queue": 0.2, "prepare": 0.01, "arrive": 12.4, "settle": 17.3},
}  # fmt: skip


@pytest.fixture
def explained(served):
    """A page with a long address whose picture is known, and which has failed."""
    url = "https://one.example/" + "a-long-way-without-an-end-" * 8
    wanted = served.services.validator.parse_query(urlencode({"url": url, "w": 320, "fresh": 1}).encode())
    served.services.thumbnailer.get(Ask(wanted))
    failure = PageTimeout("the page did not load in time").with_evidence(api="engine", api_status=504, event=EVENT)
    FailureHistory(served.services.connections.state).note(wanted.capture_key, failure, "a-request-of-somebody")
    return url


def test_an_explanation_is_accessible_fits_and_needs_no_script(served, open_admin, explained):
    page = open_admin("/explain", size="phone", scripts=False)
    page.fill("#url", explained)
    page.fill("#options", "w=320")
    page.press("#options", "Enter")
    page.wait_for_selector("text=A request would get the known picture")
    expect(page.get_by_text("a-request-of-somebody")).to_be_visible()
    expect(page.get_by_text("arrive 12.4")).to_be_visible()
    assert not overflows(page)
    address = page.url
    page = open_admin(address.removeprefix(f"{served.url}/admin"))
    assert faults(page) == []


def test_a_wrong_option_is_said_at_its_field(open_admin):
    page = open_admin("/explain")
    page.fill("#url", "https://one.example/")
    page.fill("#options", "wide=1")
    page.press("#options", "Enter")
    page.wait_for_selector("[role=alert]")
    assert page.evaluate("document.activeElement.id") == "options"
    assert violations(page) == []


def test_on_a_phone_every_bulk_action_is_in_sight(served, open_admin, sites):
    page = open_admin("/sites", size="phone")
    width = page.evaluate("document.documentElement.clientWidth")
    for control in page.locator(".bulk :is(button, input:not([type=checkbox])), .bulk .tick").all():
        if control.is_visible():
            box = control.bounding_box()
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= width, control.inner_text()


def test_every_page_is_accessible_when_there_is_nothing(served, open_admin):
    page = open_admin()
    for path in SHOWS_RECORDS:
        page.goto(f"{served.url}/admin{path}")
        assert violations(page) == [], path
