"""Webhooks of finished jobs and of sites: signed, sent to one receiver at a time, and retried."""

from webhooks.deliveries import Deliveries
from webhooks.job_outbox import JobOutbox
from webhooks.receivers import Availability, Receivers
from webhooks.sender import WebhookMessage, WebhookSender
from webhooks.site_outbox import PREFIX as SITE_PREFIX
from webhooks.site_outbox import SiteOutbox

__all__ = [
    "SITE_PREFIX",
    "Availability",
    "Deliveries",
    "JobOutbox",
    "Receivers",
    "SiteOutbox",
    "WebhookMessage",
    "WebhookSender",
]
