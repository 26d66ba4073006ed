"""Messages about sites are signed, delivered and retried as those about jobs are."""

import shutil
from datetime import UTC, datetime, timedelta

import pytest
import redis
from sqlalchemy import func, select, update
from standardwebhooks import Webhook

import services
import tasks
from config import Settings
from errors import QueueUnavailable
from jobs import TaskMessage
from sites import Claim
from sites.models import SiteEventRow
from tests.support.processes import free_port
from tests.support.receiver import running_receiver
from tests.support.screenshot_api import refuse, with_mark
from webhooks import site_outbox

SECRET = "whsec_" + "czNjcmV0" * 5
URL = "https://example.com/"
OUTBOX = "thumb:{jobs}:outbox"


@pytest.fixture
def receiver():
    with running_receiver() as receiver:
        yield receiver


@pytest.fixture
def built(make_built, receiver, _migrated_file, tmp_path):
    shutil.copy(_migrated_file, tmp_path / "thumbnails.db")
    return make_built(
        webhook_secret=(SECRET,),
        sites_webhook_url=f"http://127.0.0.1:{receiver.port}/hook?token=s3cret",
        private_targets=(f"127.0.0.1:{receiver.port}",),
        public_url="https://thumbs.example",
    )


def capture(built):
    """Capture what is due, and deliver what is to be sent."""
    tasks.capture_sites(built)
    with redis.Redis.from_url(built.settings.redis_url) as store:
        due = [TaskMessage.parse(each.decode()) for each in store.zrange("thumb:{jobs}:due", 0, -1)]
    for message in due:
        tasks.capture_site(built, message.subject, message.turn, message.queue)
    deliver(built)


def outbox(built):
    with redis.Redis.from_url(built.settings.redis_url) as store:
        return [TaskMessage.parse(each.decode()) for each in store.zrange(OUTBOX, 0, -1)]


def deliver(built):
    for message in outbox(built):
        tasks.deliver_webhook(built, message.subject, message.turn, message.queue)


def events(receiver):
    signer = Webhook(SECRET)
    return [signer.verify(post.body, post.headers) for post in receiver.posts]


def test_a_capture_is_announced_with_the_site_and_its_version(built, client, receiver):
    client.post("/sites", json={"url": URL, "tags": ["news"]})
    capture(built)

    (event,) = events(receiver)
    assert event["event"] == "site.captured"
    assert (event["site"]["url"], event["site"]["tags"], event["site"]["status"]) == (URL, ["news"], "ready")
    assert event["version"]["image"] == "https://thumbs.example/sites/1/versions/1/image"
    assert receiver.posts[0].headers["webhook-id"].startswith("msg_site-")
    assert outbox(built) == []


def test_a_change_is_announced_with_its_share_both_pictures_and_the_difference(built, client, receiver, api):
    client.post("/sites", json={"url": URL})
    capture(built)
    api.behave(with_mark(300, 300), times=9)
    client.post("/sites/1/capture")
    capture(built)

    changed = next(event for event in events(receiver) if event["event"] == "site.changed")
    assert 5 < changed["change"] < 15
    assert changed["region"]["width"] in range(290, 320)
    images = [changed[name]["image"].rpartition("/sites/")[2] for name in ("previous", "version")]
    assert images == ["1/versions/1/image", "1/versions/2/image"]
    assert changed["diff"] == "https://thumbs.example/sites/1/diff?from=1&to=2"
    assert [event["event"] for event in events(receiver)].count("site.captured") == 2


def test_a_failure_and_the_end_of_it_are_announced_once(built, client, receiver, api):
    client.post("/sites", json={"url": URL})
    api.behave(refuse(400, "validation_error", "no page"), times=99)
    for _ in range(2):
        client.post("/sites/1/capture")
        capture(built)
    api.reset()
    built.cache.forget_failure(built.validator.parse_json({"url": URL}))
    client.post("/sites/1/capture")
    capture(built)

    names = [event["event"] for event in events(receiver)]
    assert sorted(names) == ["site.captured", "site.failed", "site.recovered"]
    failed = next(event for event in events(receiver) if event["event"] == "site.failed")
    assert (failed["site"]["failure"]["count"], "version" in failed) == (1, False)


def test_a_message_is_retried_with_the_same_id_and_then_given_up(built, client, receiver):
    receiver.statuses = [500] * 6
    client.post("/sites", json={"url": URL})
    capture(built)
    for _ in range(7):
        deliver(built)
    assert len(receiver.posts) == 6
    assert len({post.headers["webhook-id"] for post in receiver.posts}) == 1
    with redis.Redis.from_url(built.settings.redis_url) as store:
        assert (outbox(built), store.keys("thumb:{jobs}:site-event*")) == ([], [])


def test_a_message_that_comes_twice_is_sent_once(built, client, receiver):
    client.post("/sites", json={"url": URL})
    tasks.capture_sites(built)
    with redis.Redis.from_url(built.settings.redis_url) as store:
        (due,) = (TaskMessage.parse(each.decode()) for each in store.zrange("thumb:{jobs}:due", 0, -1))
    tasks.capture_site(built, due.subject, due.turn, due.queue)
    (message,) = outbox(built)
    for _ in range(2):
        tasks.deliver_webhook(built, message.subject, message.turn, message.queue)
    assert len(receiver.posts) == 1


def killed(built):
    """Capture the site that is due, in a process that is killed as soon as that is recorded."""
    tasks.capture_sites(built)
    with redis.Redis.from_url(built.settings.redis_url) as store:
        (due,) = (TaskMessage.parse(each.decode()) for each in store.zrange("thumb:{jobs}:due", 0, -1))
        recorded = built.site_capturer.capture(Claim.parse(due.subject))
        store.zrem("thumb:{jobs}:due", str(due))
    return recorded


def a_minute_later(built):
    before = datetime.now(UTC) - timedelta(minutes=1)
    built.database.write(lambda session: session.execute(update(SiteEventRow).values(at=before)))


@pytest.mark.parametrize("event", ["site.captured", "site.changed", "site.failed", "site.recovered"])
def test_a_message_outlives_the_worker_that_captured(built, client, receiver, api, event):
    client.post("/sites", json={"url": URL})
    if event != "site.captured":
        capture(built)
        client.post("/sites/1/capture")
    if event == "site.changed":
        api.behave(with_mark(300, 300), times=9)
    elif event != "site.captured":
        api.behave(refuse(400, "validation_error", "no page"), times=99)
    if event == "site.recovered":
        capture(built)
        api.reset()
        built.cache.forget_failure(built.validator.parse_json({"url": URL}))
        client.post("/sites/1/capture")
    killed(built)
    assert event not in [each["event"] for each in events(receiver)]
    tasks.capture_sites(built)
    assert outbox(built) == []  # the worker may be about to queue it
    a_minute_later(built)
    for _ in range(2):
        tasks.capture_sites(built)
        deliver(built)
    assert [each["event"] for each in events(receiver)].count(event) == 1
    assert built.database.read(lambda session: session.scalar(select(func.count()).select_from(SiteEventRow))) == 0


def test_a_message_that_is_queued_again_has_the_same_id(built, client, receiver):
    """A worker may be killed between queueing a message and removing it, and the receiver then knows it by its id."""
    client.post("/sites", json={"url": URL})
    (event,) = killed(built).events
    for _ in range(2):
        built.site_events.queue([event])
        deliver(built)
    assert len(receiver.posts) == 2
    assert {post.headers["webhook-id"] for post in receiver.posts} == {f"msg_{event.id}"}


def test_a_message_waits_in_the_database_while_redis_is_away(built, client, receiver, settings, resolver):
    client.post("/sites", json={"url": URL})
    recorded = killed(built)
    away = built.settings.model_copy(update={"redis_url": f"redis://127.0.0.1:{free_port()}/0"})
    without = services.build(away, resolver)
    with pytest.raises(QueueUnavailable):
        without.site_events.queue(recorded.events)
    without.close()
    a_minute_later(built)
    tasks.capture_sites(built)
    deliver(built)
    assert len(events(receiver)) == 1


def test_a_receiver_that_is_down_does_not_fill_redis(built, client, monkeypatch):
    monkeypatch.setattr(site_outbox, "MOST", 3)
    client.post("/sites", json={"sites": [{"url": f"https://site-{number}.example/"} for number in range(5)]})
    tasks.capture_sites(built)
    with redis.Redis.from_url(built.settings.redis_url) as store:
        due = [TaskMessage.parse(each.decode()) for each in store.zrange("thumb:{jobs}:due", 0, -1)]
    for message in due:
        tasks.capture_site(built, message.subject, message.turn, message.queue)
    assert len(outbox(built)) == 3


def test_without_a_receiver_nothing_is_kept(built, client, settings, resolver):
    without = services.build(Settings.of(**settings), resolver)
    client.post("/sites", json={"url": URL})
    capture(without)
    assert outbox(without) == []
    assert without.catalogue.get(1).status == "ready"
    without.close()


def test_a_receiver_without_a_secret_is_refused(settings):
    with pytest.raises(ValueError, match="a secret is needed"):
        Settings.of(**settings, sites_webhook_url="https://example.com/hook")
