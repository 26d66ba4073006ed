"""The agenda: which messages are outstanding, and when each is sent or resent.

Every unfinished job has an entry, whose time is that of its retry or the end of its run's lease. So a job whose message
or worker is lost is due again. A message that arrives twice is ignored: its turn is over, or a run holds the job.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from coordination import StateRedis
from jobs.messages import DELIVER_WEBHOOK, TaskMessage
from jobs.records import WebhookProgress
from jobs.redis_errors import redis_errors_translated
from jobs.scripts import RESEND_SECONDS, script

LOST_SECONDS = 5  # if all queues are empty, a message that was sent this long ago counts as lost

_RECORD_WEBHOOK = """
local job = a_job .. ARGV[1]
redis.call('zrem', outbox, ARGV[2])
if redis.call('exists', job) == 0 then return 0 end
redis.call('hset', job, 'webhook', ARGV[3])
if ARGV[4] ~= '' then redis.call('zadd', outbox, now + tonumber(ARGV[5]), ARGV[4]) end
return 1
"""

# A job notes the turn whose message was sent; its first one is sent by the web process. If the queues hold as many
# messages as there are outstanding entries, none was lost, and none is resent. If the queues are empty, the messages of
# turns that never began were lost, with a connection or a worker. They are searched from the latest time down: any number
# of retries may be due earlier.
_CLAIM_DUE = """
local function sent_and_not_begun(message)
  local id, turn = string.match(message, '^capture %S+ (%S+) (%d+)$')
  if not id then return false end
  local found = redis.call('hmget', a_job .. id, 'state', 'sent')
  return found[1] == 'pending' and (found[2] or '1') == turn, id, turn, found[1]
end
local age = tonumber(ARGV[2]) - tonumber(ARGV[3])
if redis.call('exists', interactive, bulk) == 0 then
  for _, message in ipairs(redis.call('zrange', due, now + age, now, 'byscore', 'rev', 'limit', 0, ARGV[1])) do
    if sent_and_not_begun(message) then redis.call('zadd', due, now, message) end
  end
end
local queued, outstanding = redis.call('llen', interactive) + redis.call('llen', bulk), redis.call('zcard', due)
local sent = {}
for _, message in ipairs(redis.call('zrange', due, '-inf', now, 'byscore', 'limit', 0, ARGV[1])) do
  redis.call('zadd', due, now + tonumber(ARGV[2]), message)
  local in_queue, id, turn, state = sent_and_not_begun(message)
  if queued < outstanding or not in_queue then
    if state == 'pending' then redis.call('hset', a_job .. id, 'sent', turn) end
    sent[#sent + 1] = message
    queued = queued + 1
  end
end
return sent
"""

# Webhooks wait in the outbox. Their queue is emptied last, so messages that waited long in it would be sent twice.
_CLAIM_WEBHOOKS = """
local room = math.max(tonumber(ARGV[1]) - redis.call('llen', webhooks), 0)
local sent = redis.call('zrange', outbox, '-inf', now, 'byscore', 'limit', 0, room)
for _, message in ipairs(sent) do redis.call('zadd', outbox, now + tonumber(ARGV[2]), message) end
return sent
"""


class Agenda:
    """The times at which messages are due. Raises QueueUnavailable when Redis is unreachable."""

    def __init__(self, state: StateRedis) -> None:
        self._client: Any = state.client  # its type covers the asynchronous client too
        self._keys = state.keys
        self._claim_due = script(state, _CLAIM_DUE)
        self._claim_webhooks = script(state, _CLAIM_WEBHOOKS)
        self._record_webhook = script(state, _RECORD_WEBHOOK)

    def claim_due(self, most: int = 100) -> list[TaskMessage]:
        """Return the due messages, for sending. Each is due again later, unless it is removed or scheduled.

        At most `most` for pictures and `most` for webhooks, so that neither delays the other.
        """
        texts = self._claim_due(most, RESEND_SECONDS, LOST_SECONDS) + self._claim_webhooks(most, RESEND_SECONDS)
        return [TaskMessage.parse(text.decode()) for text in texts]

    def outstanding(self) -> int:
        """Count the entries, without those of webhooks."""
        with redis_errors_translated():
            return int(self._client.zcard(self._keys.jobs_due()))

    def schedule(self, message: TaskMessage, seconds: float) -> None:
        """Send a message in `seconds`, and resend it every quarter of an hour until it is removed."""
        with redis_errors_translated():
            self._client.zadd(self._list_of(message), {str(message): self._now() + seconds})

    def schedule_sooner(self, message: TaskMessage, seconds: float) -> None:
        """The same, but keep the time of a message that is sent before then."""
        with redis_errors_translated():
            self._client.zadd(self._list_of(message), {str(message): self._now() + seconds}, lt=True)

    def resend_soon(self, messages: Iterable[TaskMessage], seconds: float = 1.0) -> None:
        """Move scheduled messages to a time in `seconds`; those that were removed stay removed."""
        with redis_errors_translated():
            at = self._now() + seconds
            for message in messages:
                self._client.zadd(self._list_of(message), {str(message): at}, xx=True)

    def remove(self, message: TaskMessage) -> None:
        """Remove a message whose work is done, so that it is not resent."""
        with redis_errors_translated():
            self._client.zrem(self._list_of(message), str(message))

    def holds(self, message: TaskMessage) -> bool:
        """Return whether a message is still on the agenda. If not, its work is done, and this copy is late."""
        with redis_errors_translated():
            return self._client.zscore(self._list_of(message), str(message)) is not None

    def record_webhook(
        self, message: TaskMessage, progress: WebhookProgress, later: TaskMessage | None, seconds: float
    ) -> None:
        """Remove an attempt to deliver a job's webhook, store its outcome, and schedule the next in `seconds`."""
        name, outcome = message.subject, json.dumps(asdict(progress))
        self._record_webhook(name, str(message), outcome, str(later or ""), seconds)

    def _now(self) -> float:
        """Redis' clock, since the clocks of the machines may differ."""
        seconds, micros = self._client.time()
        return float(seconds + micros / 1e6)

    def _list_of(self, message: TaskMessage) -> str:
        return self._keys.jobs_outbox() if message.task == DELIVER_WEBHOOK else self._keys.jobs_due()
