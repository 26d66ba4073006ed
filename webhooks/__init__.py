"""Webhooks of finished jobs: signed, sent to one receiver at a time, and retried."""

from webhooks.deliveries import Deliveries
from webhooks.receivers import Availability, Receivers
from webhooks.sender import WebhookMessage, WebhookSender

__all__ = ["Availability", "Deliveries", "Receivers", "WebhookMessage", "WebhookSender"]
