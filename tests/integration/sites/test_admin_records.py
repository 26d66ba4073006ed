"""Sessions of admins, used links, the audit log and the census, on both databases."""

from datetime import UTC, datetime, timedelta

import pytest

from sites import AdminSessions, AuditLog, Database, take_census
from sites.audit import KEPT
from sites.sessions import IDLE, LONGEST

START = datetime(2026, 11, 29, 12, tzinfo=UTC)


class Clock:
    def __init__(self):
        self.now = START

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def database(database_url):
    database = Database(database_url)
    yield database
    database.close()


def test_a_session_lasts_while_it_is_used_and_never_longer_than_a_week(database, clock):
    sessions = AdminSessions(database, clock)
    token = sessions.begin("admin", "198.51.100.7")
    while clock.now + IDLE < START + LONGEST:
        clock.now += IDLE
        assert sessions.find(token).who == "admin"
    clock.now = START + LONGEST + timedelta(seconds=1)
    assert sessions.find(token) is None


def test_a_session_that_is_not_used_ends(database, clock):
    sessions = AdminSessions(database, clock)
    token = sessions.begin("admin", "198.51.100.7")
    clock.now += IDLE + timedelta(seconds=1)
    assert sessions.find(token) is None


def test_one_session_or_all_of_them_are_ended(database, clock):
    sessions = AdminSessions(database, clock)
    one, two, three = (sessions.begin("admin", "198.51.100.7") for _ in range(3))
    sessions.end(one)
    assert [sessions.find(each) is None for each in (one, two, three)] == [True, False, False]
    sessions.end_all()
    assert sessions.find(two) is sessions.find(three) is None


@pytest.mark.parametrize("token", ["", "x" * 10_000, "\udc80", "'; --"])
def test_no_other_token_is_a_session(database, clock, token):
    assert AdminSessions(database, clock).find(token) is None


def test_a_link_is_used_once(database, clock):
    sessions = AdminSessions(database, clock)
    assert sessions.use_link("nonce", 60)
    assert not sessions.use_link("nonce", 60)
    assert sessions.use_link("other", 60)


def test_the_audit_log_keeps_a_year(database, clock):
    audit = AuditLog(database, clock)
    audit.record("admin", "198.51.100.7", "did the first", "https://example.com/", "x" * 5000)
    clock.now += KEPT + timedelta(seconds=1)
    audit.record("Ümlaut", "198.51.100.7", "did the second")
    audit.record("admin", "198.51.100.7", "did the third")
    newest, older = audit.entries()
    assert (older.who, older.action, newest.action) == ("Ümlaut", "did the second", "did the third")
    assert audit.entries(before=newest.id) == [older]
    assert [len(audit.entries(before=number)) for number in (10**20, -(10**20))] == [2, 0]


def test_an_empty_catalogue_holds_nothing(database):
    census = take_census(database)
    assert (census.versions, census.uploaded, census.picture_bytes) == (0, 0, 0)
