"""The web application: wiring only. `gunicorn app:app` serves it."""

import sys
from functools import partial
from typing import Any

import structlog
from flask import Flask

import config
import logs
import services as composition
from access import Budget, HitTally, JobBudgets
from config import Settings
from options import MAX_BATCH
from services import Services
from web import cli, fast_path
from web.api import health, jobs, persist, thumbs
from web.http import callers, errors, request_log
from web.http.flood_guard import flood_guard

MAX_BODY_BYTES = 64 * 1024


def create_app(settings: Settings | None = None, services: Services | None = None) -> Flask:
    """Make the application from `settings` (default: the environment's) and `services` (default: built from them)."""
    settings = settings or _load()
    services = services or composition.build(settings)
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    app.extensions["services"] = services  # for the server's hooks alone
    request_log.observe(app)
    asking = partial(callers.counted_client, services.access)
    guard = flood_guard(services.redis.connection_pool, services.redis_breaker, settings.request_limit, asking)
    captures = Budget(services.counters, settings.thumb_limit, "captures")
    persists = Budget(services.counters, settings.persist_limit, "permanent pictures")
    share = max(settings.job_queue_limit // 2, MAX_BATCH)  # nobody fills the queue alone
    job_budgets = JobBudgets(
        Budget(services.counters, settings.job_limit, "requests for jobs"),
        Budget(services.counters, f"{share} per day", "jobs", note="each picture of a batch counts"),
    )
    app.register_blueprint(thumbs.blueprint(services, captures, job_budgets))
    app.register_blueprint(persist.blueprint(services, captures, persists))
    app.register_blueprint(jobs.blueprint(services, job_budgets))
    app.register_blueprint(health.blueprint(services))
    app.before_request(fast_path.raise_refusal)  # the front has counted it
    guard.init_app(app)
    guard.exempt(app.view_functions["health.health"])
    errors.answer_errors(app, guard)
    cli.add_command(app, services)
    app.wsgi_app = fast_path.FastPath(app.wsgi_app, services, HitTally(services.counters, settings.request_limit))  # type: ignore[method-assign]
    if settings.trusted_proxies:
        # Proxies append to X-Forwarded-For, but replace X-Forwarded-Proto.
        app.wsgi_app = callers.TrustedProxies(app.wsgi_app, x_for=settings.trusted_proxies, x_proto=1)  # type: ignore[method-assign]
    return app


def _load() -> Settings:
    try:
        settings = config.load()
    except config.ConfigError as err:
        sys.exit(str(err))
    logs.configure(settings.log_format, settings.log_level, cache=True)
    for warning in config.unknown_variables():
        structlog.get_logger().warning("unknown_setting", detail=warning)
    return settings


def __getattr__(name: str) -> Any:
    """Make `app` when a server asks for it, not when a test imports this module."""
    if name == "app":
        return create_app()
    raise AttributeError(name)
