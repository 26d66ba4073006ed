"""The webhooks of ended jobs: what is sent, when it is tried again, and the outcome on the job."""

import json
import random
from dataclasses import replace

from jobs import Job, JobStore, TaskMessage, WebhookProgress, WebhookState, retry_while_unavailable
from jobs.presenter import JobPresenter
from options import Target
from urls import locate
from webhooks.receivers import Line, Receivers
from webhooks.sender import Courier, Message, Receipt, pause

# Seconds after which a try is made that could not be made now. It is not counted: another's slowness may be the cause.
# Whoever finds a receiver busy is called before that as a rule, by the one who held it.
_LATER = {Line.BUSY: (5, 15), Line.SILENT: (15, 45)}


class Deliveries:
    def __init__(self, store: JobStore, receivers: Receivers, courier: Courier, presenter: JobPresenter) -> None:
        self._store = store
        self._receivers = receivers
        self._courier = courier
        self._presenter = presenter

    def attempt(self, message: TaskMessage) -> list[TaskMessage]:
        """Try once to deliver, unless this try was made; a message may come twice. Give those that waited for its end.

        Raises QueueUnavailable.
        """
        job = self._awaiting(message)
        if job is None or job.webhook_url is None:
            self._store.agenda.remove(message)
            return []
        target = locate(job.webhook_url)
        host = target.netloc
        with self._receivers.held(host, str(message)) as line:
            if line is not Line.FREE:
                self._store.agenda.schedule(message, random.uniform(*_LATER[line]))  # noqa: S311 - it spreads load
                return []
            if job := self._awaiting(message):  # nobody was faster before we had our turn
                self._conclude(message, self._deliver(job, target))
        return [TaskMessage.parse(text) for text in self._receivers.call_next(host)]

    def _awaiting(self, message: TaskMessage) -> Job | None:
        """Give the job if it is this very try that it waits for."""
        job = self._store.get(message.subject)
        if job is None or job.webhook is None or job.webhook.state is not WebhookState.PENDING:
            return None
        return job if job.webhook.attempts == message.turn - 1 else None

    def _deliver(self, job: Job, target: Target) -> Receipt:
        body = json.dumps(
            {"event": f"screenshot.{job.state}", "job": self._presenter.describe(job)}, ensure_ascii=False
        )
        receipt = self._courier.deliver(Message(f"msg_{job.id}", target, body))
        if receipt.kept_waiting:
            self._receivers.mark_silent(target.netloc)
        return receipt

    def _conclude(self, message: TaskMessage, receipt: Receipt) -> None:
        progress = WebhookProgress(_state_after(receipt, message.turn), message.turn, receipt.status)
        wait = pause(message.turn) if progress.state is WebhookState.PENDING else None
        later = None if wait is None else replace(message, turn=message.turn + 1)
        retry_while_unavailable(lambda: self._store.agenda.record_webhook(message, progress, later, wait or 0))


def _state_after(receipt: Receipt, attempts: int) -> WebhookState:
    if receipt.delivered:
        return WebhookState.DELIVERED
    if receipt.refused_for_good or pause(attempts) is None:
        return WebhookState.FAILED
    return WebhookState.PENDING
