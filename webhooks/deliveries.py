"""The webhooks of ended jobs: what is sent, when it is tried again, and the outcome on the job."""

import json
import random
from dataclasses import replace

from jobs import Errand, Job, JobStore, WebhookProgress, WebhookState, insist
from jobs.presenter import Reports
from options import Target
from urls import locate
from webhooks.receivers import Line, Receivers
from webhooks.sender import Courier, Message, Receipt, pause

# Seconds after which a try is made that could not be made now. It is not counted: another's slowness may be the cause.
# Whoever finds a receiver busy is called before that as a rule, by the one who held it.
_LATER = {Line.BUSY: (5, 15), Line.SILENT: (15, 45)}


class Deliveries:
    def __init__(self, store: JobStore, receivers: Receivers, courier: Courier, reports: Reports) -> None:
        self._store = store
        self._receivers = receivers
        self._courier = courier
        self._reports = reports

    def attempt(self, errand: Errand) -> list[Errand]:
        """Try once to deliver, unless this try was made; a message may come twice. Give those that waited for its end.

        Raises QueueUnavailable.
        """
        job = self._awaiting(errand)
        if job is None or job.webhook_url is None:
            self._store.agenda.settle(errand)
            return []
        target = locate(job.webhook_url)
        host = target.netloc
        with self._receivers.held(host, str(errand)) as line:
            if line is not Line.FREE:
                self._store.agenda.schedule(errand, random.uniform(*_LATER[line]))  # noqa: S311 - it spreads load
                return []
            if job := self._awaiting(errand):  # nobody was faster before we had our turn
                self._conclude(errand, self._deliver(job, target))
        return [Errand.parse(text) for text in self._receivers.call_next(host)]

    def _awaiting(self, errand: Errand) -> Job | None:
        """Give the job if it is this very try that it waits for."""
        job = self._store.get(errand.subject)
        if job is None or job.webhook is None or job.webhook.state is not WebhookState.PENDING:
            return None
        return job if job.webhook.attempts == errand.turn - 1 else None

    def _deliver(self, job: Job, target: Target) -> Receipt:
        body = json.dumps({"event": f"screenshot.{job.state}", "job": self._reports.of(job)}, ensure_ascii=False)
        receipt = self._courier.deliver(Message(f"msg_{job.id}", target, body))
        if receipt.kept_waiting:
            self._receivers.mark_silent(target.netloc)
        return receipt

    def _conclude(self, errand: Errand, receipt: Receipt) -> None:
        progress = WebhookProgress(_state_after(receipt, errand.turn), errand.turn, receipt.status)
        wait = pause(errand.turn) if progress.state is WebhookState.PENDING else None
        later = None if wait is None else replace(errand, turn=errand.turn + 1)
        insist(lambda: self._store.agenda.note_webhook(errand, progress, later, wait or 0))


def _state_after(receipt: Receipt, attempts: int) -> WebhookState:
    if receipt.delivered:
        return WebhookState.DELIVERED
    if receipt.refused_for_good or pause(attempts) is None:
        return WebhookState.FAILED
    return WebhookState.PENDING
