"""The web application: wiring only. `gunicorn app:app` serves it."""

import sys
from typing import Any

import structlog
from flask import Flask

import config
import logs
import services as composition
from config import Settings
from coordination import ClusterMode, log_in_one_line
from services import Services
from web import fast_path, openapi
from web.admin import blueprint as admin
from web.api import (
    contract,
    dialects,
    explain,
    health,
    jobs,
    metadata,
    oembed,
    persist,
    purge,
    render,
    share,
    site_history,
    site_lists,
    sites,
    thumbs,
)
from web.dialects import give_prefixes, readers_of
from web.http import (
    budgets,
    cache_tags,
    callers,
    card_paths,
    errors,
    flood_guard,
    origins,
    placeholders,
    request_log,
    thumb_paths,
    tracing,
)
from web.ui import card_pages, docs, embed, embedding, error_pages, gallery, pages, playground, share_page

MAX_BODY_BYTES = 64 * 1024
NO_RESTART = 3  # the status with which a worker of gunicorn tells its master to stop


def create_app(settings: Settings | None = None, services: Services | None = None) -> Flask:
    """Make the application from `settings` (default: the environment's) and `services` (default: built from them)."""
    services = services or composition.build(settings or _load())
    limits = budgets.build(services)
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    app.extensions["services"] = services  # for gunicorn's hooks
    request_log.install(app)
    placeholders.install(app, services.settings)
    cache_tags.install(app, services.settings)
    readers, spoken = (*thumb_paths.of(services), card_paths.CardReader(services)), readers_of(services)
    fast_path.install(app, services, (*readers, *spoken))
    pictures = thumbs.blueprint(services, limits, readers)
    dialects.add_views(pictures, services, limits, spoken)
    app.register_blueprint(pictures)
    app.register_blueprint(metadata.blueprint(services, limits))
    app.register_blueprint(oembed.blueprint(services, limits))
    app.register_blueprint(share.blueprint(services, limits))
    app.register_blueprint(contract.blueprint(services, limits))
    app.register_blueprint(persist.blueprint(services, limits))
    app.register_blueprint(jobs.blueprint(services, limits))
    app.register_blueprint(render.blueprint(services, limits))
    app.register_blueprint(sites.blueprint(services, limits))
    app.register_blueprint(site_history.blueprint(services, limits))
    app.register_blueprint(site_lists.blueprint(services, limits))
    app.register_blueprint(purge.blueprint(services))
    app.register_blueprint(explain.blueprint(services))
    app.register_blueprint(health.blueprint(services))
    app.register_blueprint(openapi.blueprint(services))
    pages.install(app, services)
    app.register_blueprint(playground.blueprint(services, limits))
    app.register_blueprint(card_pages.blueprint(services, limits))
    app.register_blueprint(share_page.blueprint(services, limits))
    app.register_blueprint(embed.blueprint(services, limits))
    app.register_blueprint(docs.blueprint(services))
    app.register_blueprint(embedding.blueprint())
    app.register_blueprint(gallery.blueprint(services))
    admin.install(app, services, limits)
    error_pages.install(app)
    errors.install(app, flood_guard.install(app, services))
    give_prefixes(app, services.settings.dialects)
    if services.settings.sends_traces:
        tracing.install(app)
    callers.trust_proxies(app, services.settings.trusted_proxies)
    return app


def _load() -> Settings:
    try:
        settings = config.load()
    except config.ConfigError as err:
        config.stop(err)
    logs.configure(settings.log_format, settings.log_level, cache=True)
    log_in_one_line()
    for warning in config.unknown_variables():
        structlog.get_logger().warning("unknown_setting", detail=warning)
    for warning in config.without_effect(settings):
        structlog.get_logger().warning("setting_without_effect", detail=warning)
    if config.internal_targets(settings) and origins.open_to_all(settings):
        structlog.get_logger().warning("pictures_readable", detail=origins.EXPOSED)
    return settings


def _judge_redis(services: Services) -> None:
    try:
        services.connections.refuse_cluster()
    except ClusterMode as err:
        sys.stderr.write(f"{err}\n")
        sys.exit(NO_RESTART)
    services.warn_about_redis()


def __getattr__(name: str) -> Any:
    """Make `app` when a server asks for it, not when a test imports this module."""
    if name == "app":
        try:
            app = create_app()
        except config.ConfigError as err:
            config.stop(err)
        _judge_redis(app.extensions["services"])
        return app
    raise AttributeError(name)
