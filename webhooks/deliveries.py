"""Deliveries of webhooks: one attempt at a time for each receiver, when it is retried, and when it is given up."""

from collections.abc import Mapping
from dataclasses import replace

from jobs import DELIVER_WEBHOOK, JobStore, TaskMessage, WebhookProgress, WebhookState, retry_while_unavailable
from options import Target
from telemetry import metrics, traces
from urls import locate
from webhooks.outgoing import Outbox, Outgoing
from webhooks.receivers import Availability, Receivers
from webhooks.schedule import delay_after, postponement
from webhooks.sender import SendResult, WebhookMessage, WebhookSender


class Deliveries:
    def __init__(
        self, store: JobStore, receivers: Receivers, sender: WebhookSender, jobs: Outbox, others: Mapping[str, Outbox]
    ) -> None:
        """`jobs` are the messages about jobs, and `others` those whose subject begins with the name."""
        self._agenda = store.agenda
        self._receivers = receivers
        self._sender = sender
        self._jobs = jobs
        self._others = others

    def attempt(self, message: TaskMessage) -> list[TaskMessage]:
        """Try once to deliver a webhook, unless this attempt was already made: a message may come twice.

        Returns the messages that waited for this attempt to end. Raises QueueUnavailable.
        """
        outbox = self._outbox_of(message)
        outgoing = outbox.awaiting(message)
        if outgoing is None:
            self._agenda.remove(message)
            return []
        target = locate(outgoing.url)
        with self._receivers.locked(target.netloc, str(message)) as availability:
            if availability is not Availability.FREE:
                # The attempt does not count: another message's receiver at the same host may be the slow one.
                self._agenda.schedule(message, postponement(availability))
                return []
            # Another worker may have made this attempt before we got the lock.
            if outgoing := outbox.awaiting(message):
                self._record(outbox, message, self._send(outgoing, target))
        return [TaskMessage.parse(text) for text in self._receivers.pop_waiting(target.netloc)]

    def _outbox_of(self, message: TaskMessage) -> Outbox:
        found = (outbox for prefix, outbox in self._others.items() if message.subject.startswith(prefix))
        return next(found, self._jobs)

    def _send(self, outgoing: Outgoing, target: Target) -> SendResult:
        with traces.working(DELIVER_WEBHOOK, outgoing.origin, outgoing.request_id, host=target.netloc):
            result = self._sender.send(WebhookMessage(outgoing.id, target, outgoing.body))
        if result.unresponsive:
            self._receivers.mark_unresponsive(target.netloc)
        return result

    def _record(self, outbox: Outbox, message: TaskMessage, result: SendResult) -> None:
        """Store the outcome and schedule the next attempt, if there is one."""
        delay = delay_after(message.turn)
        if result.delivered:
            state = WebhookState.DELIVERED
        elif result.rejected or delay is None:
            state = WebhookState.FAILED
        else:
            state = WebhookState.PENDING
        metrics.WEBHOOK_ATTEMPTS.add(state)
        progress = WebhookProgress(state, message.turn, result.status)
        following = replace(message, turn=message.turn + 1) if state is WebhookState.PENDING else None
        retry_while_unavailable(lambda: outbox.record(message, progress, following, delay or 0))
