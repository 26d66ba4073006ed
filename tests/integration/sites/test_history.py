"""Claims on sites that are due, and what becomes of their captures, on SQLite and on PostgreSQL."""

import io
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from PIL import Image

from errors import BlockedTarget, NotFound, PageTimeout, StorageUnavailable
from images import CpuPool
from sites import Catalogue, Database, SiteViews
from sites.claims import Claim, Claims
from sites.history import History
from sites.recorder import Recorder
from sites.retention import Sweeper
from sites.schedules import next_due
from sites.version_rows import VersionStore
from storage_backends import LocalStorage
from tests.support.catalogue import Clock, draft, page

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
TIMEOUT, BLOCKED = PageTimeout("too slow"), BlockedTarget("is not public")


class Room:
    """The catalogue with its parts, in which a capture takes one call."""

    def __init__(self, url, folder):
        self.clock = Clock()
        self.database = Database(url)
        self.folder = folder
        self.storage = LocalStorage(folder)
        self.told = []
        versions = VersionStore(self.database, self.storage, CpuPool(), self._tell, self.clock)
        self.catalogue = Catalogue(self.database, next_due, self.clock)
        self.claims = Claims(self.database, 3 * MINUTE, DAY, self.clock)
        self.recorder = Recorder(versions)
        self.history = History(versions)
        self.sweeper = Sweeper(self.database, self.storage, self.clock)

    def _tell(self, site_id, removed):
        self.told.append((site_id, list(removed)))

    def begin(self):
        """Claim the only site that is due, and begin its capture."""
        (claim,) = self.claims.claim_due(10)
        return self.claims.begin(claim)

    def capture(self, *, mark=0, **more):
        site, claim = self.begin()
        return self.recorder.record(claim, site, page(mark, at=self.clock.now, **more))

    def fail(self, err=TIMEOUT, *, transient=True):
        site, claim = self.begin()
        return self.recorder.record_failure(claim, site, err, transient=transient)

    def recapture(self, site_id, **more):
        self.catalogue.request_capture([site_id])
        return self.capture(**more)

    def keys(self):
        return {str(path.relative_to(self.folder)) for path in self.folder.glob("sites/*/*.png")}


@pytest.fixture
def room(database_url, tmp_path):
    room = Room(database_url, tmp_path / "media")
    yield room
    room.database.close()


def test_a_site_that_is_due_is_claimed_once(room):
    added = room.catalogue.add(draft("a"))
    room.catalogue.add(draft("later"), capture=False)
    room.catalogue.add(draft("paused", paused=True))

    (claim,) = room.claims.claim_due(10)
    assert claim.site_id == added.id
    assert Claim.parse(str(claim)) == claim
    assert room.claims.claim_due(10) == []
    site, _ = room.claims.begin(claim)
    assert site.url == added.url
    assert room.claims.begin(claim) is None, "a message that comes twice"


def test_many_workers_claim_each_site_once(room):
    room.catalogue.add_many([draft(f"site-{number}") for number in range(60)])
    with ThreadPoolExecutor(4) as pool:
        claimed = [claim.site_id for claims in pool.map(room.claims.claim_due, [10] * 8) for claim in claims]
    while left := room.claims.claim_due(10):  # a round gets fewer where another one is at the same sites
        claimed += [claim.site_id for claim in left]
    assert len(claimed) == len(set(claimed)) == 60


def test_the_claim_of_a_killed_worker_expires(room):
    room.catalogue.add(draft("a"))
    site, lost = room.begin()

    room.clock.advance(minutes=2)
    assert room.claims.claim_due(10) == []
    room.clock.advance(minutes=2)
    (claim,) = room.claims.claim_due(10)
    _, running = room.claims.begin(claim)
    assert running.due_at - room.clock.now == 6 * MINUTE, "longer, if the page kills its worker each time"
    room.recorder.record(lost, site, page(at=room.clock.now))
    assert room.catalogue.get(site.id).due_at == running.due_at, "the lost claim ends nothing"


def test_a_message_that_is_lost_is_made_up_for(room):
    room.catalogue.add(draft("a"))
    claims = room.claims.claim_due(10)
    room.claims.keep(claims)
    room.clock.advance(minutes=59)
    assert room.claims.claim_due(10) == []
    room.clock.advance(minutes=2)
    assert len(room.claims.claim_due(10)) == 1


def test_a_site_is_due_again_a_minute_after_its_worker_was_killed_before_it_sent_the_message(room):
    room.catalogue.add(draft("a"))
    (lost,) = room.claims.claim_due(10)
    room.clock.advance(seconds=59)
    assert room.claims.claim_due(10) == []
    room.clock.advance(seconds=2)
    (claim,) = room.claims.claim_due(10)
    room.claims.keep([lost])
    assert room.claims.begin(lost) is None
    assert room.claims.begin(claim)


def test_a_message_that_is_faster_than_its_sender_begins(room):
    site = room.catalogue.add(draft("a"))
    (claim,) = room.claims.claim_due(10)
    _, running = room.claims.begin(claim)
    room.claims.keep([claim])
    assert room.catalogue.get(site.id).due_at == running.due_at


def test_a_site_that_somebody_asks_for_does_not_wait_behind_an_import(room):
    asked = room.catalogue.add(draft("asked"), capture=False)
    room.catalogue.add_many([draft(f"site-{number}") for number in range(50)])
    room.clock.advance(minutes=1)
    room.catalogue.request_capture([asked.id])

    claimed = [claim.site_id for claim in room.claims.claim_due(10)]
    assert asked.id in claimed
    assert len(claimed) == len(set(claimed)) == 10


def test_the_first_capture_is_the_first_version(room):
    added = room.catalogue.add(draft("a"))
    recorded = room.capture()

    assert (recorded.version.number, recorded.changed, recorded.recovered) == (1, False, False)
    site = room.catalogue.get(added.id)
    assert (site.status, site.captured_at, site.changed_at) == ("ready", room.clock.now, None)
    assert site.picture == recorded.version
    assert (site.picture.change, site.picture.region, len(site.picture.colour)) == (0, None, 7)
    assert 0.9 * DAY <= site.due_at - room.clock.now <= 1.1 * DAY
    assert room.storage.read(site.picture.key)[0] == page().body
    assert room.told == [(added.id, [])]


def test_a_capture_that_looks_the_same_is_no_version(room):
    added = room.catalogue.add(draft("a"))
    first = room.capture()
    room.clock.advance(days=2)
    again = room.capture(background="#ddeefe")

    assert (again.version.number, again.changed) == (1, False)
    (version,) = room.history.versions(added.id)
    assert (version.captured_at, version.seen_at) == (first.version.captured_at, room.clock.now)
    assert room.catalogue.get(added.id).captured_at == room.clock.now
    assert len(room.keys()) == 1


def test_a_capture_that_differs_is_a_version_with_its_share_and_region(room):
    added = room.catalogue.add(draft("a"))
    first = room.capture().version
    room.clock.advance(days=2)
    recorded = room.capture(mark=60)

    assert (recorded.changed, recorded.previous) == (True, first)
    assert 3 <= recorded.version.change < 4.5  # 60 × 60 of 400 × 300 pixels, and the edges
    assert recorded.version.region.left in range(92, 101)
    site = room.catalogue.get(added.id)
    assert (site.picture.number, site.changed_at) == (2, room.clock.now)
    assert [each.number for each in room.history.versions(added.id)] == [2, 1]
    assert [each.number for each in room.history.versions(added.id, before=2)] == [1]


def test_a_page_that_looks_as_before_again_shares_the_picture_of_then(room):
    added = room.catalogue.add(draft("a"))
    for mark in (0, 60, 0):
        room.recapture(added.id, mark=mark)
    assert [each.number for each in room.history.versions(added.id)] == [3, 2, 1]
    assert len(room.keys()) == 2


def test_a_capture_of_the_url_before_is_not_recorded(room):
    added = room.catalogue.add(draft("a"))
    site, claim = room.begin()
    room.catalogue.change(added.id, {"url": "https://b.example/"})

    assert room.recorder.record(claim, site, page()) is None
    assert room.recorder.record_failure(claim, site, TIMEOUT, transient=False) is None
    assert (room.catalogue.get(added.id).status, room.history.versions(added.id)) == ("pending", [])
    assert len(room.claims.claim_due(10)) == 1


def test_a_capture_of_a_site_that_was_removed_leaves_nothing(room):
    added = room.catalogue.add(draft("a"))
    site, claim = room.begin()
    room.catalogue.remove(added.id)

    assert room.recorder.record(claim, site, page()) is None
    room.clock.advance(minutes=11)
    assert room.sweeper.sweep() == 1
    assert room.keys() == set()


def test_who_asks_during_a_capture_gets_another_one(room):
    added = room.catalogue.add(draft("a"))
    site, claim = room.begin()
    room.clock.advance(seconds=1)
    room.catalogue.request_capture([added.id])
    room.recorder.record(claim, site, page(at=room.clock.now))

    (again,) = room.claims.claim_due(10)
    assert again.since == room.clock.now, "newer than the request"


@pytest.mark.parametrize("asked", [True, False])
def test_what_a_killed_worker_had_captured_will_do_for_the_next(room, asked):
    added = room.catalogue.add(draft("a", schedule="daily"))
    room.capture()
    room.clock.advance(hours=1 if asked else 27)
    if asked:
        room.catalogue.request_capture([added.id])
    requested = room.clock.now
    room.begin()  # and the worker is killed after the capture
    room.clock.advance(minutes=4)
    (again,) = room.claims.claim_due(10)
    assert again.since <= requested
    if asked:
        assert again.since == requested, "a capture from before the request would not do"


def test_scheduled_captures_take_what_visitors_have_just_had_captured(room):
    room.catalogue.add(draft("a", schedule="12h"))
    (claim,) = room.claims.claim_due(10)
    assert claim.since == room.clock.now - 12 * HOUR
    site, running = room.claims.begin(claim)
    room.recorder.record(running, site, page(at=room.clock.now))
    room.clock.advance(hours=14)
    (claim,) = room.claims.claim_due(10)
    assert 4 * HOUR < room.clock.now - claim.since < 10 * HOUR


def test_a_failure_that_may_pass_is_retried_and_then_shown(room):
    added = room.catalogue.add(draft("a"))
    room.capture()
    room.clock.advance(days=2)

    outcomes = []
    for minutes in (2, 6, 0):
        outcomes.append(room.fail().failed)
        site = room.catalogue.get(added.id)
        outcomes.append(site.status)
        room.clock.advance(minutes=minutes)
    assert outcomes == [False, "ready", False, "ready", True, "failed"]
    assert (site.failure.code, site.failure.message, site.failure.count) == ("page_timeout", "too slow", 3)
    assert site.picture.number == 1, "the last good one stays"

    room.clock.advance(days=2)
    recorded = room.capture()
    assert (recorded.recovered, recorded.site.status, recorded.site.failure) == (True, "ready", None)


def test_a_failure_that_stays_is_shown_at_once_and_told_once(room):
    added = room.catalogue.add(draft("a"))
    assert room.fail(BLOCKED, transient=False).failed
    assert room.catalogue.get(added.id).status == "failed"
    room.clock.advance(days=2)
    assert not room.fail(BLOCKED, transient=False).failed


def test_ten_failures_in_a_row_mean_once_a_week(room):
    added = room.catalogue.add(draft("a", schedule="hourly"))
    for _ in range(10):
        room.fail(BLOCKED, transient=False)
        room.clock.advance(hours=2)
    site = room.catalogue.get(added.id)
    assert site.failure.message == "url: is not public; after 10 failures in a row, captured once a week"
    assert site.due_at - room.clock.now > 6 * DAY
    room.recapture(added.id)
    assert room.catalogue.get(added.id).due_at - room.clock.now < 2 * HOUR


def test_ten_failures_in_a_row_mean_once_a_week_however_often_people_look(room):
    added = room.catalogue.add(draft("a", schedule="viewed"))
    for _ in range(10):
        room.fail(BLOCKED, transient=False)
        room.clock.advance(hours=2)
        views = SiteViews(room.database, DAY, room.clock)
        views.note(added.id)
        views.flush()
    site = room.catalogue.get(added.id)
    assert site.failure.message == "url: is not public; after 10 failures in a row, captured once a week"
    assert site.due_at - room.clock.now > 6 * DAY
    room.clock.advance(days=8)
    assert room.capture().recovered
    assert room.catalogue.get(added.id).due_at is None


def test_a_capture_in_progress_counts_as_no_failure(room):
    added = room.catalogue.add(draft("a"))
    for failures in (1, 2):
        room.catalogue.request_capture([added.id])
        site, claim = room.begin()
        room.recorder.record_failure(claim, site, TIMEOUT, transient=True)
        assert room.catalogue.get(added.id).failure.count == failures
        room.catalogue.request_capture([added.id])
        _, claim = room.begin()
        assert room.catalogue.get(added.id).failure.count == failures
        room.claims.release(claim, 0)


@pytest.mark.parametrize("schedule", ["never", "weekly", "30m"])
def test_another_schedule_drops_no_capture_that_was_asked_for(room, schedule):
    added = room.catalogue.add(draft("a", schedule="hourly"))
    room.capture()
    room.catalogue.request_capture([added.id])
    room.catalogue.change(added.id, {"schedule": "daily"})
    (claim,) = room.claims.claim_due(10)
    room.catalogue.change(added.id, {"schedule": schedule})
    site, running = room.claims.begin(claim)
    room.catalogue.change(added.id, {"schedule": "12h"})
    assert room.recorder.record(running, site, page(60, at=room.clock.now)).changed
    assert 10 * HOUR < room.catalogue.get(added.id).due_at - room.clock.now < 14 * HOUR
    room.catalogue.change(added.id, {"schedule": "never"})
    assert room.catalogue.get(added.id).due_at is None


def test_a_site_that_was_paused_while_it_waited_is_captured_when_it_goes_on(room):
    added = room.catalogue.add(draft("a"))
    (claim,) = room.claims.claim_due(10)
    room.catalogue.change(added.id, {"paused": True})
    assert room.claims.begin(claim) is None
    room.clock.advance(seconds=1)
    assert room.claims.claim_due(10) == []
    room.catalogue.change(added.id, {"paused": False})
    assert room.capture().version.number == 1


def test_a_capture_that_was_not_attempted_is_no_failure(room):
    added = room.catalogue.add(draft("a"))
    _, claim = room.begin()
    room.claims.release(claim, 5)
    room.clock.advance(seconds=6)
    room.fail()
    assert room.catalogue.get(added.id).failure.count == 1


@pytest.mark.parametrize(("keep", "left"), [("3 versions", [6, 5, 4]), ("2 days", [6, 5]), ("all", [6, 5, 4, 3, 2, 1])])
def test_old_versions_are_removed_with_their_pictures(room, keep, left):
    added = room.catalogue.add(draft("a", keep=keep))
    for mark in range(6):
        room.recapture(added.id, mark=20 * mark)
        room.clock.advance(days=1.5)
    assert [each.number for each in room.history.versions(added.id)] == left
    assert room.sweeper.sweep() == 6 - len(left)
    assert len(room.keys()) == len(left)
    assert all(room.storage.read(each.key) for each in room.history.versions(added.id))
    if keep == "3 versions":
        assert room.told[-1] == (added.id, [3])


def test_a_picture_is_not_removed_just_after_its_version(room):
    added = room.catalogue.add(draft("a", keep="1 version"))
    for mark in (0, 60):
        room.recapture(added.id, mark=mark)
    assert room.sweeper.sweep() == 0
    room.recapture(added.id)  # as at first
    room.clock.advance(minutes=11)
    assert room.sweeper.sweep() == 1
    assert room.storage.read(room.catalogue.get(added.id).picture.key)


class Meanwhile(LocalStorage):
    """A storage in which something happens while it removes a picture."""

    def __init__(self, folder, happens):
        super().__init__(folder)
        self.happens = happens

    def remove(self, key):
        self.happens()
        super().remove(key)


def test_a_slow_storage_holds_up_no_writer(room):
    added = room.catalogue.add(draft("a"))
    room.capture()
    room.catalogue.remove(added.id)
    room.clock.advance(minutes=11)
    storage = Meanwhile(room.folder, lambda: room.catalogue.add(draft("b")))
    assert Sweeper(room.database, storage, room.clock).sweep() == 1
    assert (room.keys(), room.catalogue.counts().total) == (set(), 1)


def test_a_picture_is_not_stored_while_the_same_one_is_removed(room):
    """Else its version could be left without it."""
    added = room.catalogue.add(draft("a", keep="1 version"))
    for mark in (0, 60):
        room.recapture(added.id, mark=mark)
    room.clock.advance(minutes=11)

    def capture():
        with pytest.raises(StorageUnavailable):
            room.recapture(added.id)  # as at first

    assert Sweeper(room.database, Meanwhile(room.folder, capture), room.clock).sweep() == 1
    room.recapture(added.id)
    assert room.storage.read(room.catalogue.get(added.id).picture.key)


def test_a_removal_whose_process_was_killed_ends_later(room):
    added = room.catalogue.add(draft("a", keep="1 version"))
    for mark in (0, 60):
        room.recapture(added.id, mark=mark)
    room.clock.advance(minutes=11)

    def killed():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Sweeper(room.database, Meanwhile(room.folder, killed), room.clock).sweep()
    room.clock.advance(minutes=3)
    assert room.sweeper.sweep() == 1
    assert len(room.keys()) == 1
    room.recapture(added.id)
    assert room.storage.read(room.catalogue.get(added.id).picture.key)


def test_pictures_of_a_removed_site_are_removed(room):
    added = room.catalogue.add(draft("a"))
    for mark in (0, 60):
        room.recapture(added.id, mark=mark)
    room.catalogue.remove(added.id)
    room.clock.advance(minutes=11)
    assert room.sweeper.sweep() == 2
    assert room.keys() == set()


def test_a_pinned_version_is_shown_until_it_is_unpinned(room):
    added = room.catalogue.add(draft("a", keep="1 version"))
    room.recapture(added.id)
    room.history.pin(added.id, 1)
    for mark in (60, 90):
        room.recapture(added.id, mark=mark)

    site = room.catalogue.get(added.id)
    assert (site.picture.number, site.pinned) == (1, True)
    assert [each.number for each in room.history.versions(added.id)] == [3, 1], "the shown one stays"
    assert room.history.pin(added.id, None).picture.number == 3
    assert [each.number for each in room.history.versions(added.id)] == [3]
    with pytest.raises(NotFound):
        room.history.pin(added.id, 9)


def test_an_uploaded_picture_is_shown_in_place_of_the_captured_ones(room):
    added = room.catalogue.add(draft("a"))
    room.recapture(added.id)
    uploaded = room.history.upload(added.id, page(200))
    assert (uploaded.picture.number, uploaded.uploaded, uploaded.picture.uploaded) == (2, True, True)
    recorded = room.recapture(added.id, mark=60)

    assert (recorded.version.number, recorded.previous.number) == (3, 1), "captures are compared with captures"
    assert room.catalogue.get(added.id).picture.number == 2
    site = room.history.pin(added.id, None)
    assert (site.picture.number, site.uploaded) == (3, False)


def test_two_versions_are_compared(room):
    added = room.catalogue.add(draft("a"))
    for mark in (0, 60):
        room.recapture(added.id, mark=mark)

    difference = room.history.difference(added.id, 1, 2)
    assert (difference.share, difference.region) == (
        room.history.version(added.id, 2).change, room.history.version(added.id, 2).region
    )  # fmt: skip
    assert Image.open(io.BytesIO(difference.picture)).size == (400, 300)
    assert room.history.difference(added.id, 2, 2).share == 0
    with pytest.raises(NotFound):
        room.history.difference(added.id, 1, 9)


def test_a_version_whose_picture_was_lost_counts_as_changed(room):
    added = room.catalogue.add(draft("a"))
    room.recapture(added.id)
    room.storage.remove(room.catalogue.get(added.id).picture.key)
    assert room.recapture(added.id, mark=60).version.change == 100


def test_changes_are_listed_the_newest_first_and_by_tag(room):
    news = room.catalogue.add(draft("news", tags=("news",)))
    room.recapture(news.id)
    other = room.catalogue.add(draft("other"))
    room.recapture(other.id)
    for id_ in (news.id, other.id):
        room.clock.advance(hours=1)
        room.recapture(id_, mark=60)
    assert [(each.site.id, each.version.number) for each in room.history.changes()] == [(other.id, 2), (news.id, 2)]
    assert [each.site.id for each in room.history.changes(["News"])] == [news.id]


def test_an_unknown_site_has_no_versions(room):
    with pytest.raises(NotFound):
        room.history.versions(7)
    with pytest.raises(NotFound):
        room.history.version(7, 1)
