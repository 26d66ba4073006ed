"""The webhooks of finished jobs: what they say, and their outcome on the job."""

import json

from jobs import JobPresenter, JobStore, TaskMessage, WebhookProgress, WebhookState
from webhooks.outgoing import Outgoing


class JobOutbox:
    def __init__(self, store: JobStore, presenter: JobPresenter) -> None:
        self._store = store
        self._presenter = presenter

    def awaiting(self, message: TaskMessage) -> Outgoing | None:
        job = self._store.get(message.subject)
        if job is None or job.webhook_url is None:
            return None
        if job.webhook is None or job.webhook.state is not WebhookState.PENDING:
            return None
        if job.webhook.attempts != message.turn - 1:
            return None
        event = {"event": f"screenshot.{job.state}", "job": self._presenter.describe(job)}
        body = json.dumps(event, ensure_ascii=False)
        return Outgoing(f"msg_{job.id}", job.webhook_url, body, job.origin, job.request_id)

    def record(
        self, message: TaskMessage, progress: WebhookProgress, following: TaskMessage | None, seconds: float
    ) -> None:
        self._store.agenda.record_webhook(message, progress, following, seconds)
