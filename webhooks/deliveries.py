"""The webhooks of finished jobs: what is sent, when it is retried, and the outcome on the job."""

import json
from dataclasses import replace

from jobs import Job, JobPresenter, JobStore, TaskMessage, WebhookProgress, WebhookState, retry_while_unavailable
from options import Target
from urls import locate
from webhooks.receivers import Availability, Receivers
from webhooks.schedule import delay_after, postponement
from webhooks.sender import SendResult, WebhookMessage, WebhookSender


class Deliveries:
    def __init__(self, store: JobStore, receivers: Receivers, sender: WebhookSender, presenter: JobPresenter) -> None:
        self._store = store
        self._receivers = receivers
        self._sender = sender
        self._presenter = presenter

    def attempt(self, message: TaskMessage) -> list[TaskMessage]:
        """Try once to deliver a webhook, unless this attempt was already made: a message may come twice.

        Returns the messages that waited for this attempt to end. Raises QueueUnavailable.
        """
        job = self._job_awaiting(message)
        if job is None or job.webhook_url is None:
            self._store.agenda.remove(message)
            return []
        target = locate(job.webhook_url)
        with self._receivers.locked(target.netloc, str(message)) as availability:
            if availability is not Availability.FREE:
                # The attempt does not count: another job's receiver at the same host may be the slow one.
                self._store.agenda.schedule(message, postponement(availability))
                return []
            # Another worker may have made this attempt before we got the lock.
            if job := self._job_awaiting(message):
                self._record(message, self._send(job, target))
        return [TaskMessage.parse(text) for text in self._receivers.pop_waiting(target.netloc)]

    def _job_awaiting(self, message: TaskMessage) -> Job | None:
        """Return the job if it awaits this very attempt."""
        job = self._store.get(message.subject)
        if job is None or job.webhook is None or job.webhook.state is not WebhookState.PENDING:
            return None
        return job if job.webhook.attempts == message.turn - 1 else None

    def _send(self, job: Job, target: Target) -> SendResult:
        event = {"event": f"screenshot.{job.state}", "job": self._presenter.describe(job)}
        result = self._sender.send(WebhookMessage(f"msg_{job.id}", target, json.dumps(event, ensure_ascii=False)))
        if result.unresponsive:
            self._receivers.mark_unresponsive(target.netloc)
        return result

    def _record(self, message: TaskMessage, result: SendResult) -> None:
        """Store the outcome on the job and schedule the next attempt, if there is one."""
        delay = delay_after(message.turn)
        if result.delivered:
            state = WebhookState.DELIVERED
        elif result.rejected or delay is None:
            state = WebhookState.FAILED
        else:
            state = WebhookState.PENDING
        progress = WebhookProgress(state, message.turn, result.status)
        following = replace(message, turn=message.turn + 1) if state is WebhookState.PENDING else None
        agenda = self._store.agenda
        retry_while_unavailable(lambda: agenda.record_webhook(message, progress, following, delay or 0))
