"""Serves the front door from the test's process, with a fake screenshot API behind it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import services
import sites.migrate
from app import create_app
from config import Settings
from tests.support.browser import serving
from tests.support.redis import RedisServer
from tests.support.screenshot_api import ScreenshotAPI

API_KEY = "correct-horse-battery"


@contextmanager
def running_door(redis: RedisServer, api: ScreenshotAPI, folder: Path, **changes: Any) -> Iterator[str]:
    """Run a service whose pictures come from `api`, with some settings changed, and yield its URL."""
    settings = {
        "redis_url": redis.url,
        "redis_prefix": folder.name,
        "capture_api": api.dialect,
        "capture_url": api.url,
        "database_url": f"sqlite:///{folder}/thumbnails.db",
        "persist_dir": folder / "media",
        "originals": "redis",
        "gallery_public": True,
    }
    sites.migrate.upgrade(settings["database_url"])
    built = services.build(Settings.of(**settings | changes), lambda _name: ["93.184.216.34"])
    try:
        with serving(create_app(built.settings, built)) as url:
            yield url
    finally:
        built.close()
