"""The gallery and the admin pages with many sites, on both databases. Other tests look at them with few."""

import shutil
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
import redis as redis_library
from playwright.sync_api import expect
from sqlalchemy import delete, insert

import services
from app import create_app
from config import Settings
from sites.models import SiteRow, SiteTag, VersionRow, derived
from tests.support.admin import KEY
from tests.support.browser import overflows, serving, violations
from tests.support.site_states import version

pytestmark = pytest.mark.slow

MANY = 1500  # of which more fail than a page shows


@pytest.fixture(scope="module")
def database_url(request, _migrated_file, tmp_path_factory):
    if request.param == "postgresql":
        return request.getfixturevalue("postgres_server").new_database()
    path = tmp_path_factory.mktemp("many") / "thumbnails.db"
    shutil.copy(_migrated_file, path)
    return f"sqlite:///{path}"


@pytest.fixture(scope="module")
def served(redis_server, database_url, tmp_path_factory):
    settings = Settings.of(
        redis_url=redis_server.url,
        database_url=database_url,
        persist_dir=tmp_path_factory.mktemp("media"),
        originals="redis",
        gallery_public=True,
        admin_key=KEY,
        request_limit="100000 per minute",
    )
    built = services.build(settings, lambda _name: ["93.184.216.34"])
    with redis_library.Redis.from_url(redis_server.url) as client:
        client.flushall()
    with serving(create_app(settings, built)) as url:
        yield SimpleNamespace(url=url, services=built)
    built.close()


def fill(database, count):
    """Put `count` sites in, of which every tenth fails, by SQL: the API would take seconds."""
    now = datetime.now(UTC)

    def write(session):
        session.execute(delete(SiteRow))
        numbers = range(1, count + 1)
        session.execute(insert(SiteRow), [_site(number, now) for number in numbers])
        session.execute(insert(SiteTag), [{"site_id": number, "tag": f"t{number % 5}"} for number in numbers])
        session.execute(insert(VersionRow), [version(number, 1, now, 0.0) for number in numbers])

    database.write(write)


def _site(number, now):
    url, title, at = f"https://s{number}.example/", f"Site {number:04}", now - timedelta(minutes=number)
    failed = number % 10 == 0
    return {
        "id": number, "url": url, "title": title, "note": "", "options": {}, "schedule": "daily", "keep": "all",
        "paused": False, "pinned": False, "uploaded": False, "revision": 1, "starts": 0,
        "status": "failed" if failed else "ready", "failure_count": int(failed),
        "failure_code": "page_timeout" if failed else None, "failure_since": at if failed else None,
        "failure_message": "the page did not load in time" if failed else None,
        "created_at": at, "updated_at": at, "captured_at": at, "changed_at": at, "due_at": now + timedelta(days=1),
        "picture_number": 1, "latest_number": 1,
    } | derived(url, title, "", (f"t{number % 5}",))  # fmt: skip


@pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True, scope="module")
def test_many_sites_are_found_paged_and_changed(served, open_page):
    fill(served.services.database, MANY)
    page = open_page(f"{served.url}/gallery?sort=title", "phone", "dark")
    titles = page.locator(".card h2")
    assert f"{MANY:,} sites" in page.text_content(".count")
    assert titles.all_text_contents()[:2] == ["Site 0001", "Site 0002"]
    page.click("text=Next")
    assert titles.first.text_content() == "Site 0025"
    assert (violations(page), overflows(page)) == ([], False)
    page.click("text=Previous")
    page.fill("#q", f"Site {MANY:04}")
    page.keyboard.press("Enter")
    page.wait_for_url("**q=*")
    expect(titles).to_have_text([f"Site {MANY:04}"])
    page.goto(f"{served.url}/gallery?tag=t3")
    assert f"{MANY // 5:,} sites" in page.text_content(".count")

    page.goto(f"{served.url}/admin/log-in?next=/admin/sites%3Fstatus=failed")
    page.fill("#key", KEY)
    page.keyboard.press("Enter")
    page.wait_for_url("**/admin/sites?status=failed")
    assert (violations(page), overflows(page)) == ([], False)
    page.check("[name=all]")
    page.fill("#tags", "broken")
    page.click("text=Add tag")
    assert f"{MANY // 10} sites tagged" in page.text_content("[role=status]")
    assert dict(served.services.catalogue.tags())["broken"] == MANY // 10
