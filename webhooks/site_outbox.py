"""The webhooks of sites: `site.captured`, `site.changed`, `site.failed` and `site.recovered`, for one receiver.

A message is written with its capture, in the database. From there it moves to Redis, which keeps it until it is delivered or
given up. A process that is killed in between has it queued once more, with the same id. There are at most MOST messages in
Redis: a receiver that is down must not fill it, since it holds the jobs too.
"""

import json
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import structlog

from coordination import StateRedis
from errors import DatabaseUnavailable
from jobs import DELIVER_WEBHOOK, WEBHOOKS, TaskMessage, WebhookProgress, new_id, redis_errors_translated
from sites import Recorded, SiteEvent, SiteEvents, describe_site, describe_version
from webhooks.outgoing import Outgoing

MOST = 10_000
PREFIX = "site-"  # of the subject of a message, where that of a job is its id
_KEEP_SECONDS = 86_400
_log = structlog.get_logger()


class SiteOutbox:
    """Raises QueueUnavailable when Redis is unreachable."""

    def __init__(self, state: StateRedis, written: SiteEvents, url: str | None, base: str) -> None:
        """`url` is the receiver's, None for none. `base` is the URL of this service, "" if it is not known."""
        self._written = written
        self._client: Any = state.client  # its type covers the asynchronous client too
        self._keys = state.keys
        self._url = url
        self._base = base

    def messages(self, recorded: Recorded) -> list[SiteEvent]:
        """Write the messages about the outcome of a capture, if there is a receiver. Needs no Redis."""
        if self._url is None:
            return []
        bodies = (self._describe(event, recorded) for event in events_of(recorded))
        return [SiteEvent(PREFIX + new_id(), json.dumps(body, ensure_ascii=False)) for body in bodies]

    def queue(self, events: Iterable[SiteEvent]) -> None:
        """Queue messages that the database holds, and remove them there."""
        queued = list(events)
        if self._url is not None:
            for event in queued:
                self._queue(event)
        if queued:
            with suppress(DatabaseUnavailable):  # already logged; `queue_overdue` finds them
                self._written.remove(queued)

    def queue_overdue(self) -> None:
        """Queue messages whose process was killed before it did. Raises DatabaseUnavailable too."""
        self.queue(self._written.overdue())

    def awaiting(self, message: TaskMessage) -> Outgoing | None:
        with redis_errors_translated():
            found = self._client.hgetall(self._keys.site_event(message.subject))
        if self._url is None or not found or int(found[b"attempts"]) != message.turn - 1:
            return None
        return Outgoing(f"msg_{message.subject}", self._url, found[b"body"].decode())

    def record(
        self, message: TaskMessage, progress: WebhookProgress, following: TaskMessage | None, seconds: float
    ) -> None:
        outbox, events, event = (
            self._keys.jobs_outbox(),
            self._keys.site_events(),
            self._keys.site_event(message.subject),
        )
        with redis_errors_translated(), self._client.pipeline(transaction=True) as pipe:
            pipe.zrem(outbox, str(message))
            if following is None:
                pipe.delete(event)
                pipe.zrem(events, message.subject)
            else:
                pipe.hset(event, "attempts", progress.attempts)
                pipe.zadd(outbox, {str(following): time.time() + seconds})
            pipe.execute()

    def _queue(self, event: SiteEvent) -> None:
        """Keep a message and schedule its first attempt, unless this was done."""
        key, events, now = self._keys.site_event(event.id), self._keys.site_events(), time.time()
        with redis_errors_translated():
            self._client.zremrangebyscore(events, "-inf", now - _KEEP_SECONDS)
            if self._client.exists(key):
                return
            if self._client.zcard(events) >= MOST:
                _log.error("site_event_lost", waiting=MOST, setting="SITES_WEBHOOK_URL")
                return
            with self._client.pipeline(transaction=True) as pipe:
                pipe.hset(key, mapping={"body": event.body, "attempts": 0})
                pipe.expire(key, _KEEP_SECONDS)
                pipe.zadd(events, {event.id: now})
                pipe.zadd(self._keys.jobs_outbox(), {str(TaskMessage(DELIVER_WEBHOOK, WEBHOOKS, event.id)): now})
                pipe.execute()

    def _describe(self, event: str, recorded: Recorded) -> dict[str, object]:
        described: dict[str, object] = {"event": event, "site": describe_site(recorded.site, self._base)}
        if recorded.version is not None:
            described["version"] = describe_version(recorded.version, self._base)
        if recorded.version is not None and recorded.previous is not None:
            query = f"from={recorded.previous.number}&to={recorded.version.number}"
            described["previous"] = describe_version(recorded.previous, self._base)
            described["change"] = recorded.version.change
            described["region"] = recorded.version.region and recorded.version.region._asdict()
            described["diff"] = f"{self._base}/sites/{recorded.site.id}/diff?{query}"
        return described


def events_of(recorded: Recorded) -> list[str]:
    """Return the events that announce the outcome of a capture. A failure that may pass is not announced yet."""
    happened = {
        "site.recovered": recorded.recovered,
        "site.captured": recorded.version is not None,
        "site.changed": recorded.changed,
        "site.failed": recorded.failed,
    }
    return [event for event, true in happened.items() if true]
