"""What admins look at: the overview, failures, jobs, storage, keys, the audit log, and imports."""

import html
import io
import re

import pytest
import redis

from capture.breaker import THRESHOLD
from errors import PageTimeout
from sites import Filters, SiteDraft
from tests.support.admin import live_a_day, log_in, send, token_in
from tests.support.screenshot_api import refuse, running_screenshot_api
from tests.support.site_states import fail

PAGES = ("", "/sites", "/sites/new", "/failures", "/explain", "/jobs", "/storage", "/keys", "/audit", "/import")


@pytest.fixture
def redis_client(redis_url):
    with redis.Redis.from_url(redis_url) as client:
        yield client


def services_of(client):
    return client.application.extensions["services"]


@pytest.mark.parametrize("path", PAGES)
def test_every_page_says_something_when_there_is_nothing(admin, path):
    response = admin.get(f"/admin{path}")
    assert response.status_code == 200
    assert response.headers["Cache-Control"] == "private, no-cache"
    assert "default-src 'none'" in response.headers["Content-Security-Policy"]
    assert re.findall(r"<style|<script(?![^>]* src=)|\sstyle=|\son\w+=", response.text) == []


@pytest.mark.parametrize("path", PAGES)
def test_no_page_is_shown_to_a_stranger(client, path):
    assert client.get(f"/admin{path}").status_code == 303


def test_a_wrong_address_below_admin_is_a_page(admin):
    assert "Nothing is here" in admin.get("/admin/nothing").text


def test_failures_say_what_happened_since_when_and_what_comes_next(admin):
    services = services_of(admin)
    site = services.catalogue.add(SiteDraft("https://one.example/", title="One"))
    fail(services.database, site, "the page did not load in time", count=11)
    text = admin.get("/admin/failures").text
    assert "The page did not load in time." in text
    assert "Failed 11 times in a row" in text
    assert "3 days ago" in text
    assert "Tried again in 2 hours" in text
    assert "once a week" in text
    assert "the page did not load in time" in admin.get("/admin").text


def test_the_overview_says_what_was_done_today_and_how_full_redis_is(admin):
    services = services_of(admin)
    services.catalogue.add_many([SiteDraft(f"https://site-{number}.example/") for number in range(3)])
    assert len(services.site_capturer.choose()) == 3
    admin.post("/screenshots", json={"url": "https://example.com/"})
    text = re.sub(r"<[^>]*>", "", admin.get("/admin").text)
    assert re.search(r"captures of sites today\s*3 of 20,000", text)
    assert re.search(r"jobs completed in a day\s*0\s", text)
    assert re.search(r"memory of Redis\s*[0-9.]+ (%|[kM]B)", text)


def test_the_overview_names_our_own_errors_and_an_api_that_is_down(make_client, api):
    client = make_client()
    log_in(client)
    assert "is not called" not in client.get("/admin").text
    live_a_day(services_of(client))
    api.behave(refuse(503, "down"), times=100)
    for number in range(THRESHOLD):
        client.get(f"/thumb?url=https://example.com/{number}")
    text = re.sub(r"<[^>]*>", "", client.get("/admin").text)
    assert "snapsharp is not called, since it is down or its quota is used up. Only known pictures are shown." in text
    assert re.search(r"ours: over_capacity \d+\s", text)


def test_the_overview_says_who_takes_the_captures_of_an_api_that_is_down(make_client, api):
    with running_screenshot_api("engine") as engine:
        client = make_client(
            capture_api="engine,snapsharp", capture_url=engine.url, capture_api_key=None,
            snapsharp_url=api.url, snapsharp_api_key="sk_live_test",
        )  # fmt: skip
        log_in(client)
        engine.behave(refuse(503, "unavailable"), times=100)
        for number in range(THRESHOLD):
            client.get(f"/thumb?url=https://example.com/{number}")
        text = client.get("/admin").text
    assert "engine is not called, since it is down or its quota is used up. snapsharp takes its captures." in text


def test_jobs_and_their_state_are_listed(admin):
    text = admin.get("/admin/jobs").text
    assert "No worker was ever seen" in text
    assert "No job waits" in text


def test_pages_say_so_when_redis_is_away(make_client, redis_url):
    client = make_client(redis_url="redis://127.0.0.1:1/0")
    assert log_in(client).status_code == 303  # tries are counted in memory
    assert "Redis does not answer" in client.get("/admin/jobs").text
    assert "It does not answer." in client.get("/admin/storage").text
    assert client.get("/admin").status_code == 200


def test_keys_are_named_with_their_use_and_never_shown(make_client):
    client = make_client(api_keys=("cms:a-secret-of-the-cms:300/minute",))
    headers = {"X-API-Key": "a-secret-of-the-cms"}
    assert client.get("/thumb?url=https://example.com/", headers=headers).status_code == 200
    client.post("/sites", json={"url": "https://one.example/"}, headers=headers)
    log_in(client)
    text = client.get("/admin/keys").text
    assert re.search(r'<th scope="row">cms</th><td>1</td><td>1 <span class="quiet">of 300 a minute', text)
    assert "a-secret-of-the-cms" not in text
    assert re.search(r"<td>1 <span class=\"quiet\">of 50,000 a day", text)


def test_the_audit_log_is_paged(admin):
    for number in range(60):
        services_of(admin).audit.record("admin", "192.0.2.1", f"did {number:02}")
    page = admin.get("/admin/audit").text
    assert "did 59" in page
    assert "did 05" not in page
    older = re.search(r'href="([^"]*before=\d+)"', page)[1]
    assert "did 05" in admin.get(older).text


LIST = "https://one.example/\nhttp://127.0.0.1/\nhttps://two.example/\n"


def test_an_import_shows_what_would_happen_first(admin):
    catalogue = services_of(admin).catalogue
    plan = send(admin, "/admin/import", "/admin/import", text=LIST, dry_run="1")
    assert "What would happen" in plan.text
    assert "refused" in plan.text
    assert catalogue.counts().total == 0
    carried = re.search(r'name="carried" value="([^"]*)"', plan.text)[1]
    done = send(admin, "/admin/import", "/admin/import", carried=carried)
    assert "What was done" in done.text  # a line was refused, so the report stays
    assert sorted(site.url for site in catalogue.find(Filters()).sites) == [
        "https://one.example/",
        "https://two.example/",
    ]
    assert services_of(admin).audit.entries()[0].detail.startswith("2 added")


def test_a_file_is_imported_and_captured_later_if_wished(admin):
    token = token_in(admin.get("/admin/import"))
    file = (io.BytesIO(b"url,title\nhttps://one.example/,One\n"), "sites.csv")
    response = admin.post("/admin/import", data={"csrf_token": token, "file": file})
    assert (response.status_code, response.headers["Location"]) == (303, "/admin/sites?sort=added")
    (site,) = services_of(admin).catalogue.find(Filters()).sites
    assert site.title == "One"
    assert services_of(admin).catalogue.counts().due == 0


@pytest.mark.parametrize(
    ("field", "sent"),
    [
        ("file", {}),
        ("url", {"text": "x", "url": "https://example.com/a"}),
        ("url", {"url": "http://127.0.0.1/sitemap.xml"}),
        ("url", {"url": "no address", "kind": "sitemap"}),
        ("file", {"carried": "%%%"}),
        ("text", {"text": "<html></html>"}),
        ("text", {"text": "<page/>", "kind": "sitemap"}),
    ],
)
def test_what_is_no_list_is_refused_at_its_field(admin, field, sent):
    """And what was typed stays."""
    response = send(admin, "/admin/import", "/admin/import", **sent)
    assert response.status_code == 400
    assert "Nothing was imported" in response.text
    assert re.findall(r'id="problem-(\w+)" role="alert">[A-Z]', response.text) == [field]
    (control,) = re.findall(r"<(?:input|textarea|select)[^>]* aria-invalid=[^>]*>", response.text)
    assert f'id="{field}"' in control
    assert f'aria-describedby="problem-{field}"' in control
    for name in sent.keys() & {"url", "text"}:
        assert html.escape(sent[name]).strip() in response.text
    if "kind" in sent:
        assert f"<option selected>{sent['kind']}" in response.text


def test_lists_of_programs_and_of_admins_share_their_turns(admin):
    turns = services_of(admin).list_turns
    with turns.taken(), turns.taken():
        assert admin.post("/sites/import", data="https://one.example/").status_code == 503
        response = send(admin, "/admin/import", "/admin/import", text="https://one.example/")
        assert response.status_code == 503
        assert "other lists are being imported or exported" in response.text
    assert admin.post("/sites/import", data="https://one.example/").status_code == 200


def test_pages_say_so_when_the_database_is_away(admin, tmp_path):
    (tmp_path / "thumbnails.db").unlink()
    response = admin.get("/admin/sites")
    assert response.status_code == 503
    assert "The catalogue cannot be reached" in response.text
    assert admin.get("/thumb?url=https://example.com/").status_code == 200


def test_the_slowest_and_the_failing_pages_are_named_without_their_queries(admin, api):
    bad = "https://example.com/bad?secret=1"
    api.behave(refuse(422, "page_error"), times=4, url=bad)
    api.behave(refuse(503, "down"), times=9, url="https://example.com/not-its-fault")
    for url in (bad, "https://example.com/not-its-fault", "https://example.com/good?secret=2", "http://127.0.0.1/"):
        admin.get("/thumb", query_string={"url": url})
    text = re.sub(r"<[^>]*>", "", admin.get("/admin").text)
    slow, failing = text.partition("Pages that failed most")[::2]
    failing = failing.partition("Last done")[0]
    assert "example.com/good" in slow
    assert re.search(r"example\.com/bad\s+1 time, capture_failed", failing)
    assert "not-its-fault" not in text
    assert "127.0.0.1" not in text
    assert "secret" not in text


def test_pages_are_noted_once_each_and_forgotten_after_two_days(admin, redis_client):
    figures = services_of(admin).page_figures
    for number in range(120):
        figures.note(f"https://example.com/{number}", number, PageTimeout())
    figures.note("https://example.com/119", 3.0, None)
    assert [each.seconds for each in figures.slowest()] == [119, 118, 117, 116, 115]
    keys = list(redis_client.scan_iter("thumb:{figures}:*"))
    assert len(keys) == 2
    assert {redis_client.zcard(key) for key in keys} == {100, 120}
    assert all(86400 < redis_client.ttl(key) <= 2 * 86400 for key in keys)


def test_without_admin_pages_no_page_is_noted(make_client, redis_client):
    make_client(admin_key=None).get("/thumb", query_string={"url": "https://example.com/"})
    assert list(redis_client.scan_iter("thumb:{figures}:*")) == []


def test_the_overview_says_which_setting_plots_need_and_plots_the_last_day(admin):
    assert "Set METRICS_PORT" in admin.get("/admin").text
    live_a_day(services_of(admin))
    text = admin.get("/admin").text
    assert text.count('<svg class="plot"') == 4
    assert "METRICS_PORT" not in text
    assert re.search(r'aria-label="Pictures in the last 24 hours: [\d,]+ known, [\d,]+ not known before\.', text)


def explained(admin, **asked):
    answer = admin.get("/admin/explain", query_string=asked)
    return answer.status_code, re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", "", answer.text)))


def test_a_page_is_explained_before_and_after_its_capture(admin, api):
    status, before = explained(admin, url="https://example.com/", options="w=320&format=webp")
    assert status == 200
    assert "A request would get a new capture" in before
    assert "w=320 format=webp" in before
    assert "None in the last day." in before
    assert api.calls == []
    admin.get("/thumb?url=https://example.com/&w=320&format=webp")
    _, after = explained(admin, url="https://example.com/", options="?w=320&format=webp")
    assert "A request would get the known picture" in after
    assert "fresh: image/webp, 320 × 180" in after
    assert "Budgets of 127.0.0.1" in after


def test_the_last_failures_of_a_page_are_shown(admin, api):
    api.behave(refuse(422, "page_timeout", "<b>slow</b>"), times=9)
    failed = admin.get("/thumb?url=https://example.com/")
    _, text = explained(admin, url="https://example.com/")
    assert "A request would get an error" in text
    assert failed.headers["X-Request-ID"] in text
    assert "snapsharp answered 422 page_timeout" in text


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"url": "ftp://example.com/"}, "Must start with http"),
        ({"url": "https://10.0.0.1/"}, "not a public"),
        ({"url": "https://example.com/", "options": "w=0&x=<b>ü"}, "is not an option"),
        ({"url": "https://example.com/", "client": "nobody"}, "the name of an API key"),
    ],
)
def test_what_is_wrong_is_said_at_its_field(admin, asked, said):
    status, text = explained(admin, **asked)
    assert (status, said in text) == (400, True), text


def test_a_failing_site_leads_to_its_explanation(admin):
    services = services_of(admin)
    site = services.catalogue.add(SiteDraft("https://one.example/", options={"dark": "true", "width": "640"}))
    fail(services.database, site, "the page did not load in time")
    for path in ("/failures", f"/sites/{site.id}"):
        link = html.unescape(
            re.search(r'href="(/admin/explain[^"]*)"', admin.get(f"/admin{path}").text.split("<main")[1])[1]
        )
        text = admin.get(link).text
        assert "https://one.example/" in text
        assert "width=640" in text


def test_slow_and_failing_pages_lead_to_their_explanation(admin):
    services_of(admin).page_figures.note("https://one.example/a%20page?secret=1", 8.24, None)
    link = html.unescape(re.search(r'href="(/admin/explain[^"]*)">', admin.get("/admin").text.split("<main")[1])[1])
    assert "https://one.example/a%20page" in admin.get(link).text
