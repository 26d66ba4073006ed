"""The flood guard: a limit on all requests of a client, by Flask-Limiter over our counters."""

from functools import partial

from flask import Flask
from flask_limiter import Limiter

from access import FLOOD_SCOPE
from services import Services
from web.http.callers import rate_limited_client


def install(app: Flask, services: Services) -> Limiter:
    """Guard all views of `app` but `/health`. Install it after the views and the fast path, which counts itself."""
    guard = Limiter(
        partial(rate_limited_client, services.access),
        application_limits=[services.settings.request_limit],
        storage_uri="counters://",
        storage_options={"state": services.connections.state},  # type: ignore[dict-item]
        strategy="fixed-window",
        in_memory_fallback_enabled=True,
        # Otherwise a request that is in progress while another one notices the outage would get a 500.
        swallow_errors=True,
        key_prefix=FLOOD_SCOPE,
    )
    guard.init_app(app)
    guard.exempt(app.view_functions["health.health"])
    return guard
