"""Makes the queue of jobs, and what sends webhooks."""

from config import Settings
from coordination import StateRedis
from jobs import JobPresenter, JobQueue, JobStore, celery_app
from webhooks import SITE_PREFIX, Deliveries, JobOutbox, Receivers, SiteOutbox, WebhookSender


def make_jobs(settings: Settings, state: StateRedis) -> JobQueue:
    store = JobStore(state, settings.job_time_limit / 8, settings.job_queue_limit)
    return JobQueue(celery_app(settings.state_url, settings.redis_prefix, settings.job_time_limit), store)


def make_deliveries(
    receivers: Receivers, jobs: JobQueue, sender: WebhookSender, presenter: JobPresenter, site_events: SiteOutbox
) -> Deliveries:
    return Deliveries(jobs.store, receivers, sender, JobOutbox(jobs.store, presenter), {SITE_PREFIX: site_events})
