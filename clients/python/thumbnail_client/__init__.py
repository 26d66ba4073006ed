"""A client of the thumbnail service: pictures of web pages, permanent copies, jobs, webhooks and sites.

`Urls` writes addresses for pages, and signs them. `Client` speaks to the service. Neither needs a package of others.
"""

from thumbnail_client.client import Client, Job, Kept, Picture
from thumbnail_client.errors import ServiceError, TimedOut, Unreachable, UnverifiedMessage
from thumbnail_client.urls import Urls, sign
from thumbnail_client.webhooks import verified

__all__ = [
    "Client",
    "Job",
    "Kept",
    "Picture",
    "ServiceError",
    "TimedOut",
    "Unreachable",
    "UnverifiedMessage",
    "Urls",
    "sign",
    "verified",
]
