"""`POST /sites/import`, on SQLite and on PostgreSQL."""

import gzip
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from errors import DatabaseUnavailable
from sites import Filters, SiteDraft, Status
from sites.imports.candidates import MAX_BYTES
from tests.support.databases import ON_SQLITE
from tests.support.processes import wait_until
from tests.support.site import running_site
from tests.support.web import running_web

CSV = "url,title,tags\nhttps://a.example.com/,Alpha,one;two\nhttps://b.example.com,Beta,\n"


@pytest.fixture
def services(built):
    return built


@pytest.fixture
def catalogue(services):
    return services.catalogue


def send(client, body, **query):
    given = {name: str(value).lower() for name, value in query.items()}
    body = body.encode() if isinstance(body, str) else body
    return client.post("/sites/import", data=body, query_string=given, content_type="text/plain")


def imported(client, body, **query):
    answer = send(client, body, **query)
    assert answer.status_code == 200, answer.json
    return answer.json


def counts(report):
    return {name: report[name] for name in ("added", "changed", "unchanged", "refused") if report[name]}


def all_sites(catalogue):
    return {site.url: site for site in catalogue.find(Filters(limit=100, sort="added")).sites}


def test_a_list_becomes_sites_that_are_due_at_once(client, catalogue):
    report = imported(client, CSV)

    assert report["kind"] == "csv"
    assert (report["lines"], report["dry_run"], counts(report)) == (2, False, {"added": 2})
    assert report["sites"][1] == {"line": 3, "url": "https://b.example.com/", "action": "added"}
    found = all_sites(catalogue)
    alpha = found["https://a.example.com/"]
    assert (alpha.title, alpha.tags, alpha.schedule, alpha.status) == ("Alpha", ("one", "two"), "daily", Status.PENDING)
    assert all(site.due_at <= site.created_at for site in found.values())


def test_with_capture_no_the_sites_wait_for_their_schedule(client, catalogue):
    imported(client, CSV, capture="no")
    assert all(site.due_at is None or site.due_at > site.created_at for site in all_sites(catalogue).values())


@ON_SQLITE
def test_a_dry_run_says_the_same_as_the_run_after_it_and_changes_nothing(client, catalogue):
    catalogue.add(SiteDraft("https://a.example.com/", title="Old", tags=("one",)))
    text = CSV + "https://10.0.0.1/,Private,\nhttps://b.example.com/#top,Again,\nhttps://c.example.com/,,a;,b\n"
    planned = imported(client, text, dry_run="true")
    assert set(all_sites(catalogue)) == {"https://a.example.com/"}
    assert planned["sites"] == [
        {"line": 2, "url": "https://a.example.com/", "action": "changed", "changes": ["tags", "title"]},
        {"line": 3, "url": "https://b.example.com/", "action": "added"},
        {
            "line": 4,
            "url": "https://10.0.0.1/",
            "action": "refused",
            "field": "url",
            "reason": "the target is not a public web address, or does not exist",
        },
        {
            "line": 5,
            "url": "https://b.example.com/#top",
            "action": "refused",
            "field": "url",
            "reason": "repeats line 3",
        },
        {"line": 6, "url": "https://c.example.com/", "action": "added"},
    ]
    run = imported(client, text)
    assert run == planned | {"dry_run": False}
    assert all_sites(catalogue)["https://a.example.com/"].title == "Alpha"


def test_a_list_that_is_sent_again_changes_nothing(client, catalogue):
    imported(client, CSV)
    before = all_sites(catalogue)
    assert counts(imported(client, CSV)) == {"unchanged": 2}
    assert all_sites(catalogue) == before


def test_what_a_list_does_not_say_stays_as_it_is(client, catalogue):
    site = catalogue.add(SiteDraft("https://a.example.com/", "Old", "Note", ("mine",), {"full_page": "true"}, "weekly"))
    report = imported(client, "title,url\nNew,https://a.example.com/\n")
    assert report["sites"][0]["changes"] == ["title"]
    now = catalogue.get(site.id)
    assert (now.title, now.note, now.tags, now.options, now.schedule) == (
        "New",
        "Note",
        ("mine",),
        {"full_page": "true"},
        "weekly",
    )


def test_new_options_have_a_known_site_captured_again_unless_capture_is_no(client, catalogue):
    first, second = catalogue.add_many([SiteDraft(f"https://{name}.example.com/") for name in "ab"], capture=False)
    text = "url,options\nhttps://{}.example.com/,full_page=true\n"
    imported(client, text.format("a"))
    imported(client, text.format("b"), capture="no")
    assert catalogue.get(first.id).due_at <= catalogue.get(first.id).updated_at
    assert catalogue.get(second.id).due_at > catalogue.get(second.id).updated_at
    assert catalogue.get(second.id).options == {"full_page": "true"}


def test_folders_are_added_to_the_tags_that_a_site_has(client, catalogue):
    site = catalogue.add(SiteDraft("https://a.example.com/", tags=("mine",)))
    folder = "<DT><H3>{}</H3><DL><DT><A HREF='https://a.example.com/'>A</A></DL>"
    report = imported(
        client, f"<!DOCTYPE NETSCAPE-Bookmark-file-1><DL>{folder.format('Read, later')}\n{folder.format('News')}</DL>"
    )
    assert counts(report) == {"changed": 1, "refused": 1}
    assert catalogue.get(site.id).tags == ("mine", "news", "read later")


@ON_SQLITE
@pytest.mark.parametrize(
    ("line", "field"),
    [
        ("ftp://a.example.com/,,,,,", "url"),
        ("https://127.0.0.1/,,,,,", "url"),
        ("http://user:pw@a.example.com/,,,,,", "url"),
        ("https://a.example.com:8080/,,,,,", "url"),
        (",x,,,,", "url"),
        ("https://a.example.com/,,,,width=3,", "options.width"),
        ("https://a.example.com/,,,,w=300,", "options.w"),
        ("https://a.example.com/,,,,cookies=a,", "options.cookies"),
        ("https://a.example.com/,,,,,fortnightly", "schedule"),
        (f"https://a.example.com/,{'x' * 501},,,,", "title"),
        (f"https://a.example.com/,,,{'x' * 41},,", "tags"),
    ],
)
def test_a_bad_line_is_refused_with_its_field_and_the_others_are_imported(client, catalogue, line, field):
    report = imported(client, f"url,title,note,tags,options,schedule\n{line}\nhttps://good.example.com/,,,,,\n")
    assert (report["sites"][0]["action"], report["sites"][0]["field"]) == ("refused", field)
    assert report["sites"][0]["reason"]
    assert list(all_sites(catalogue)) == ["https://good.example.com/"]


@ON_SQLITE
def test_only_hosts_that_the_operator_allows_are_imported(make_client):
    client = make_client(allowed_targets=("a.example.com",))
    report = imported(client, CSV)
    assert [line["action"] for line in report["sites"]] == ["added", "refused"]


@ON_SQLITE
def test_an_import_needs_a_key(make_client):
    client = make_client(api_keys=("ci:s3cret-s3cret-s3cret",))
    assert send(client, CSV).status_code == 401
    headers = {"Authorization": "Bearer s3cret-s3cret-s3cret"}
    assert client.post("/sites/import", data=CSV, headers=headers).status_code == 200


@ON_SQLITE
@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"kind": "html"}, "kind"),
        ({"dry_run": "perhaps"}, "dry_run"),
        ({"capture": "later"}, "capture"),
        ({"dryrun": "true"}, "dryrun"),
        ({"url": "https://a.example.com/list"}, "url"),  # and a body
    ],
)
def test_an_unknown_option_refuses_the_import(client, catalogue, query, field):
    answer = send(client, CSV, **query)
    assert answer.status_code == 400
    assert answer.json["detail"].startswith(f"{field}: ")
    assert all_sites(catalogue) == {}


@ON_SQLITE
@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "list: is missing; send it as the body"),
        (b"\0\1\2\3" * 1000, "list: is not text"),
        (b"PK\3\4" + bytes(1000), "list: is a zip archive"),
        (b"https://a.example.com/\n" * 100_000, "list: must have at most 50,000 sites"),
        (b"<!DOCTYPE x [<!ENTITY a 'b'>]><urlset/>", "list: defines entities"),
        (b'url,title\nhttps://a.example.com/,"A\n', "list: line 2 is not valid CSV"),
    ],
    ids=["nothing", "binary", "zip", "too many", "entities", "quote"],
)
def test_a_bad_list_is_refused_as_a_whole(client, catalogue, body, words):
    answer = send(client, body)
    assert answer.status_code == 400
    assert answer.json["detail"].startswith(words)
    assert all_sites(catalogue) == {}


@ON_SQLITE
def test_a_bomb_is_refused(client):
    answer = send(client, gzip.compress(gzip.compress(bytes(200 * 2**20))))
    assert answer.json["detail"].startswith("list: must be at most 32 MiB, unpacked")


@ON_SQLITE
def test_a_body_above_the_limit_is_not_read(client):
    answer = send(client, bytes(MAX_BYTES + 1))
    assert answer.status_code == 413
    assert answer.json["detail"] == "the body is too large; send at most 32 MiB"


@ON_SQLITE
def test_a_form_is_refused_and_says_what_to_send(client):
    answer = client.post("/sites/import", data={"file": "x"}, content_type="multipart/form-data")
    assert answer.json["detail"] == "list: must be the body itself; send it by curl --data-binary @sites.csv"


@ON_SQLITE
def test_a_sitemap_is_fetched_by_its_address(make_client, resolver):
    with running_site() as site:
        resolver.answers["maps.example.com"] = ["127.0.0.1"]
        client = make_client(private_targets=(f"maps.example.com:{site.port}",))
        below = f"http://maps.example.com:{site.port}/below.xml"
        site.add("/sitemap.xml", f"<sitemapindex><sitemap><loc>{below}</loc></sitemap></sitemapindex>")
        site.add("/below.xml", "<urlset><url><loc>https://a.example.com/</loc></url></urlset>")
        answer = client.post("/sites/import", query_string={"url": below.replace("below", "sitemap")})
        assert answer.json["sites"] == [
            {"line": 1, "url": "https://a.example.com/", "action": "added", "sitemap": below}
        ]


@pytest.mark.slow
@ON_SQLITE
def test_sitemaps_that_cannot_be_read_are_counted(make_client, resolver):
    with running_site() as site:
        resolver.answers["lists.example"] = ["127.0.0.1"]
        client = make_client(private_targets=(f"lists.example:{site.port}",))
        base = f"http://lists.example:{site.port}"
        locations = "".join(f"<sitemap><loc>{base}/{name}</loc></sitemap>" for name in ("gone", "page", "good"))
        site.add("/sitemap.xml", f"<sitemapindex>{locations}</sitemapindex>")
        site.add("/page", "<html></html>")
        site.add("/good", "<urlset><url><loc>https://a.example.com/</loc></url></urlset>")
        answer = client.post("/sites/import", query_string={"url": f"{base}/sitemap.xml", "dry_run": "true"})
    counts = {name: answer.json[name] for name in ("added", "refused", "unreadable_sitemaps")}
    assert counts == {"added": 1, "refused": 2, "unreadable_sitemaps": 2}


@ON_SQLITE
def test_a_real_web_process_reads_sitemaps_and_serves_others_meanwhile(settings, tmp_path):
    given = {name: settings[name] for name in ("redis_url", "database_url", "persist_dir", "originals")}
    with running_site() as site:
        index = site.url("/sitemap.xml")
        site.add("/sitemap.xml", f"<sitemapindex><sitemap><loc>{site.url('/slow.xml')}</loc></sitemap></sitemapindex>")
        answered = threading.Event()
        site.add("/slow.xml", "<urlset><url><loc>https://a.example.com/</loc></url></urlset>", gate=answered)
        more = {"private_targets": site.address, "web_concurrency": 1}
        with running_web(tmp_path / "log", **given, **more) as web, ThreadPoolExecutor(1) as pool:
            importing = pool.submit(requests.post, f"{web}/sites/import", params={"url": index}, timeout=30)
            wait_until(lambda: site.hits("/slow.xml"), "a request for the second sitemap")
            assert requests.get(f"{web}/health", timeout=10).ok
            answered.set()
            assert [line["action"] for line in importing.result().json()["sites"]] == ["added"]


@ON_SQLITE
@pytest.mark.parametrize(
    "url", ["http://127.0.0.1/", "http://localhost/", "file:///etc/passwd", "", "http://a.example.com:22/"]
)
def test_an_address_that_the_guard_refuses_is_not_fetched(client, url):
    answer = client.post("/sites/import", query_string={"url": url})
    assert answer.status_code == 400
    assert answer.json["detail"].startswith("url: ")


@pytest.mark.slow
def test_two_imports_of_one_list_at_once_add_each_site_once(client, services, catalogue):
    text = "".join(f"https://{n}.example.com/\n" for n in range(1200))

    def run():
        prepared = services.importer.prepare(services.list_reader.read_body(text.encode()))
        return {action.value: count for action, count in prepared.run(capture=False).counts().items()}

    with ThreadPoolExecutor(2) as pool:
        reports = [task.result() for task in [pool.submit(run), pool.submit(run)]]
    assert sum(report["added"] for report in reports) == 1200
    assert sum(report["unchanged"] for report in reports) == 1200
    assert catalogue.counts().total == 1200


@pytest.mark.slow
def test_an_interrupted_import_keeps_whole_thousands_and_continues_when_sent_again(
    client, services, catalogue, monkeypatch
):
    text = "".join(f"https://{n}.example.com/\n" for n in range(1200))
    merge, times = services.catalogue.merge, []

    def failing(*args, **more):
        times.append(1)
        if len(times) == 2:
            raise DatabaseUnavailable("away")
        merge(*args, **more)

    monkeypatch.setattr(type(services.catalogue), "merge", lambda self, *args, **more: failing(*args, **more))
    answer = send(client, text)
    assert answer.status_code == 503
    assert answer.json["detail"] == "1,000 of 1,200 sites were imported; send the same list again to continue"
    assert catalogue.counts().total == 1000
    assert counts(imported(client, text)) == {"added": 200, "unchanged": 1000}
    assert catalogue.counts().total == 1200


@ON_SQLITE
def test_few_lists_are_imported_at_a_time(client, services, monkeypatch):
    inside, leave = threading.Semaphore(0), threading.Event()
    prepare = services.importer.prepare

    def slow(found):
        inside.release()
        leave.wait(10)
        return prepare(found)

    monkeypatch.setattr(type(services.importer), "prepare", lambda self, found: slow(found))
    app = client.application
    with ThreadPoolExecutor(2) as pool:
        running = [pool.submit(send, app.test_client(), CSV) for _ in range(2)]
        for _ in running:
            assert inside.acquire(timeout=10)
        answer = send(client, CSV)
        leave.set()
        assert {task.result().status_code for task in running} == {200}
    assert answer.status_code == 503
    assert answer.headers["Retry-After"]


def test_without_its_database_an_import_is_refused_and_may_be_retried(make_client, settings):
    client = make_client(database_url="postgresql://nobody@127.0.0.1:1/none")
    answer = send(client, CSV)
    assert answer.status_code == 503
    assert answer.json["retryable"] is True


@ON_SQLITE
@pytest.mark.parametrize("origin", ["https://other.example", "null", "http://localhost:9"])
@pytest.mark.parametrize("path", ["/sites/import", "/sites/1/capture"])
def test_pages_of_other_web_sites_change_nothing(client, catalogue, path, origin):
    catalogue.add(SiteDraft("https://a.example/", schedule="never"), capture=False)
    answer = client.post(path, data="https://b.example/", content_type="text/plain", headers={"Origin": origin})

    assert (answer.status_code, answer.json["code"]) == (403, "foreign_origin")
    assert [site.due_at for site in catalogue.find(Filters()).sites] == [None]


@ON_SQLITE
def test_pages_that_may_and_programs_with_a_key_change_the_catalogue(make_client):
    keyed, shared = make_client(api_keys=("cms:correct-horse",)), make_client(cors_origins=("https://cms.example",))
    given = {"data": "https://b.example/", "content_type": "text/plain"}
    key = {"Origin": "app://cms", "X-API-Key": "correct-horse"}
    assert keyed.post("/sites/import", **given, headers=key).status_code == 200
    for origin in ("https://cms.example", "http://localhost"):
        assert shared.post("/sites/import", **given, headers={"Origin": origin}).status_code == 200
