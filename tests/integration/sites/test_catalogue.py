"""The catalogue, on SQLite and on PostgreSQL."""

import random
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Barrier, Event

import pytest
from sqlalchemy import text

from errors import DatabaseUnavailable, InvalidOption, NotFound, RevisionConflict, SiteExists
from sites import Catalogue, Counts, Database, Filters, SiteDraft, Status
from sites.catalogue import Merge

DAY = timedelta(days=1)


@pytest.fixture
def database(database_url):
    database = Database(database_url)
    yield database
    database.close()


class Clock:
    def __init__(self):
        self.now = datetime(2026, 11, 29, 12, tzinfo=UTC)

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def catalogue(database, clock):
    return Catalogue(database, lambda schedule, after: after + DAY if schedule == "daily" else None, clock)


def draft(name, **more):
    return SiteDraft(f"https://{name}.example/", **more)


def names(page):
    return [site.url.removeprefix("https://").removesuffix(".example/") for site in page.sites]


def test_a_site_that_is_added_is_due_at_once(catalogue, clock):
    added = catalogue.add(draft("a", title="A", tags=("News", "b", "news"), options={"device": "iphone-15"}))

    assert (added.status, added.due_at, added.revision) == (Status.PENDING, clock.now, 1)
    assert (added.tags, added.options) == (("b", "news"), {"device": "iphone-15"})
    assert catalogue.get(added.id) == added


def test_a_site_that_is_not_to_be_captured_is_due_by_its_schedule(catalogue, clock):
    daily, never = catalogue.add_many([draft("a"), draft("b", schedule="never")], capture=False)

    assert daily.due_at == clock.now + DAY
    assert never.due_at is None


def test_a_url_is_in_the_catalogue_once(catalogue):
    catalogue.add(draft("a"))

    with pytest.raises(SiteExists) as caught:
        catalogue.add(draft("a", title="again"))
    assert (caught.value.field, caught.value.url) == ("url", "https://a.example/")
    _, again, new = catalogue.add_many([draft("b"), draft("b"), draft("c")])
    assert isinstance(again, SiteExists)
    assert new.url == "https://c.example/"


def test_a_url_of_eight_kilobytes_is_as_good_as_another(catalogue):
    # PostgreSQL compresses values that repeat themselves.
    url = "https://a.example/" + "".join(random.Random(1).choices("0123456789abcdefghijklmnopqrstuvwxyz", k=8000))

    catalogue.add(SiteDraft(url))

    assert catalogue.known_urls([url, "https://b.example/"]) == {url: 1}
    with pytest.raises(SiteExists):
        catalogue.add(SiteDraft(url))


def test_at_most_a_thousand_sites_are_added_at_once(catalogue):
    with pytest.raises(InvalidOption, match="at most 1,000 sites"):
        catalogue.add_many([draft(f"s{number}") for number in range(1001)])
    assert catalogue.counts().total == 0


def test_processes_that_add_the_same_sites_at_the_same_time_add_each_once(catalogue):
    drafts = [draft(f"s{number}") for number in range(40)]

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(catalogue.add_many, [drafts, drafts[::-1], drafts[20:], drafts[:20]]))

    added = [each for result in results for each in result if not isinstance(each, SiteExists)]
    assert sorted(site.url for site in added) == sorted(each.url for each in drafts)
    assert catalogue.counts() == Counts(total=40, pending=40, due=40)


@pytest.mark.slow
def test_writers_that_wait_for_each_other_are_both_done(postgres_server):
    database = Database(postgres_server.new_database())
    both = Barrier(2)
    tries = []

    def lock(order):
        def work(session):
            tries.append(order)
            session.execute(text(f"SELECT pg_advisory_xact_lock({order[0]})"))
            if len(tries) <= 2:
                both.wait(10)
            session.execute(text(f"SELECT pg_advisory_xact_lock({order[1]})"))
            return order

        return database.write(work)

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(lock, [(1, 2), (2, 1)])) == [(1, 2), (2, 1)]
    assert len(tries) == 3
    database.close()


@pytest.mark.slow
def test_closing_closes_what_a_thread_still_uses(postgres_server):
    database = Database(postgres_server.new_database())
    closing, working = Event(), Event()

    def work(session):
        working.set()
        closing.wait(10)
        return session.connection().connection.dbapi_connection

    with ThreadPoolExecutor(1) as pool:
        used = pool.submit(database.read, work)
        working.wait(10)
        database.close()
        closing.set()
        assert used.result().closed
    with pytest.raises(DatabaseUnavailable):
        database.read(lambda session: session.scalar(text("SELECT 1")))


def test_a_second_editor_is_told_of_the_first(catalogue):
    site = catalogue.add(draft("a"))
    first = catalogue.change(site.id, {"title": "first"}, revision=site.revision)

    with pytest.raises(RevisionConflict):
        catalogue.change(site.id, {"title": "second"}, revision=site.revision)
    with pytest.raises(RevisionConflict):
        catalogue.remove(site.id, revision=site.revision)
    assert catalogue.get(site.id) == first
    assert catalogue.change(site.id, {"title": "second"}, revision=first.revision).title == "second"


def test_of_many_editors_at_the_same_time_one_wins(catalogue):
    site = catalogue.add(draft("a"))

    def edit(number):
        try:
            return catalogue.change(site.id, {"note": f"by {number}"}, revision=1).note
        except RevisionConflict:
            return None

    with ThreadPoolExecutor(8) as pool:
        won = [note for note in pool.map(edit, range(8)) if note]

    assert won == [catalogue.get(site.id).note]
    assert catalogue.get(site.id).revision == 2


@pytest.mark.parametrize(
    "change", [{"title": "T"}, {"note": "N"}, {"tags": ("x",)}, {"keep": "all"}, {"paused": True}, {"options": {}}]
)
def test_an_edit_that_does_not_change_the_picture_captures_nothing(catalogue, clock, change):
    site = catalogue.add(draft("a"), capture=False)
    clock.now += timedelta(hours=1)

    changed = catalogue.change(site.id, change)

    assert (changed.due_at, changed.updated_at, changed.revision) == (site.due_at, clock.now, 2)


@pytest.mark.parametrize("change", [{"url": "https://b.example/"}, {"options": {"full_page": "true"}}])
def test_another_url_or_other_options_have_the_site_captured_anew(catalogue, clock, change):
    site = catalogue.add(draft("a"), capture=False)

    changed = catalogue.change(site.id, change)

    assert (changed.due_at, changed.status) == (clock.now, Status.PENDING)


def test_another_schedule_counts_from_now(catalogue, clock):
    site = catalogue.add(draft("a"), capture=False)

    assert catalogue.change(site.id, {"schedule": "never"}).due_at is None
    clock.now += timedelta(hours=5)
    assert catalogue.change(site.id, {"schedule": "daily"}).due_at == clock.now + DAY


@pytest.mark.parametrize("schedule", ["never", "weekly"])
def test_another_schedule_does_not_put_off_the_first_capture(catalogue, clock, schedule):
    site = catalogue.add(draft("a"))
    clock.now += timedelta(minutes=1)

    assert catalogue.change(site.id, {"schedule": schedule}).due_at == site.due_at


def test_the_url_of_another_site_is_refused(catalogue):
    catalogue.add(draft("a"))
    site = catalogue.add(draft("b"))

    with pytest.raises(SiteExists):
        catalogue.change(site.id, {"url": "https://a.example/"})
    assert catalogue.get(site.id) == site


def test_a_site_that_is_removed_is_gone_and_its_id_is_not_given_again(catalogue):
    catalogue.add(draft("a"))
    last = catalogue.add(draft("b", tags=("x",)))
    catalogue.remove(last.id)

    for ask in (catalogue.get, catalogue.remove):
        with pytest.raises(NotFound):
            ask(last.id)
    assert catalogue.tags() == []
    assert catalogue.add(draft("b")).id > last.id


def test_a_capture_can_be_requested_of_many_sites(catalogue, clock):
    sites = catalogue.add_many([draft(f"s{number}") for number in range(3)], capture=False)

    assert catalogue.request_capture([sites[0].id, sites[2].id, 999]) == 2

    due = [catalogue.get(site.id).due_at == clock.now for site in sites]
    assert due == [True, False, True]
    assert catalogue.counts().due == 2


def test_pages_neither_skip_nor_repeat_a_site(catalogue, clock):
    titles = ["Ärger", "alpha", "Beta", "例え", "beta", "", "Ωmega", "Жук", "beta"]
    for number, title in enumerate(titles):
        clock.now += timedelta(minutes=number % 2)  # some at the same time
        catalogue.add(draft(f"s{number}", title=title))

    for sort in ("added", "title", "changed"):
        filters, whole, forwards, back = Filters(sort=sort, limit=2), [], [], []
        whole = names(catalogue.find(replace(filters, limit=100)))
        page = catalogue.find(filters)
        assert page.previous is None
        while True:
            forwards += names(page)
            if page.next is None:
                break
            page = catalogue.find(replace(filters, cursor=page.next))
        assert forwards == whole
        while True:
            back = names(page) + back
            if page.previous is None:
                break
            page = catalogue.find(replace(filters, cursor=page.previous))
        assert back == whole
        assert len(set(whole)) == len(titles)
        assert page.total == len(titles)


def test_a_site_that_was_added_meanwhile_moves_no_page(catalogue, clock):
    for number in range(4):
        clock.now += timedelta(minutes=1)
        catalogue.add(draft(f"s{number}"))
    first = catalogue.find(Filters(sort="added", limit=2))
    clock.now += timedelta(minutes=1)
    catalogue.add(draft("new"))
    catalogue.remove(first.sites[1].id)

    assert names(first) == ["s3", "s2"]
    assert names(catalogue.find(Filters(sort="added", limit=2, cursor=first.next))) == ["s1", "s0"]


def test_titles_are_sorted_without_regard_to_case_and_sites_without_one_by_their_host(catalogue):
    catalogue.add_many(
        [draft("www.delta"), draft("x", title="beta"), draft("y", title="Alpha"), draft("z", title="ÉTÉ")]
    )

    assert names(catalogue.find(Filters(sort="title"))) == ["y", "x", "www.delta", "z"]


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        (Filters(text="paper"), ["b", "a"]),
        (Filters(text="PAPER daily"), ["a"]),
        (Filters(text="ΑΘΉΝΑ"), ["b"]),
        (Filters(text="100%"), ["c"]),
        (Filters(text="_"), []),
        (Filters(text="\\"), []),
        (Filters(text="b.example"), ["b"]),
        (Filters(text="noted"), ["c"]),
        (Filters(text="greek"), ["b"]),
        (Filters(tags=("News",)), ["b", "a"]),
        (Filters(tags=("news", "greek")), ["b"]),
        (Filters(tags=("new",)), []),
        (Filters(host="A.example"), ["a"]),
        (Filters(status=Status.READY), []),
        (Filters(status=Status.PENDING, text="paper"), ["b", "a"]),
        (Filters(changed_since=datetime(2026, 1, 1, tzinfo=UTC)), []),
    ],
)
def test_sites_are_found_by_text_tags_host_and_status(catalogue, clock, filters, found):
    for each in (
        draft("a", title="Daily Paper", tags=("news",)),
        draft("b", title="Αθήνα paper", tags=("news", "greek")),
        draft("c", title="100% wool", note="Noted"),
    ):
        clock.now += timedelta(minutes=1)
        catalogue.add(each)

    page = catalogue.find(filters)
    assert names(page) == found
    assert page.total == len(found)


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "é",
        "%",
        "W10",
        "WyJjaGFuZ2VkIiwiMjAyNiIsMSwwXQ",
        "WyJhZGRlZCIsIngiLDEsMF0",
        "WyJhZGRlZCIsMSwxLDBd",
        "WyJhZGRlZCIsIjAwMDEtMDEtMDFUMDA6MDA6MDArMDE6MDAiLDEsMF0",
        "W1tb" * 2000,
        "A" * 9000,
    ],
)
def test_a_cursor_that_no_page_has_named_is_refused(catalogue, cursor):
    with pytest.raises(InvalidOption) as caught:
        catalogue.find(Filters(sort="added", cursor=cursor))
    assert caught.value.field == "cursor"


def test_tags_are_counted(catalogue):
    catalogue.add_many([draft("a", tags=("x", "y")), draft("b", tags=("y",)), draft("c")])

    assert catalogue.tags() == [("y", 2), ("x", 1)]


@pytest.mark.slow
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_list_is_compared_anew_if_another_process_adds_one_of_its_sites_meanwhile(catalogue, database_url):
    known_then = []

    def decide(known):
        known_then.append(set(known))
        if len(known_then) == 1:
            with closing(Database(database_url)) as other:
                Catalogue(other, lambda _, after: after).add(SiteDraft("https://a.example/"))
        return Merge([SiteDraft(url) for url in urls if url not in known], {})

    urls = ["https://a.example/", "https://b.example/"]
    catalogue.merge(urls, decide)
    assert known_then == [set(), {"https://a.example/"}]
    assert catalogue.counts().total == 2
