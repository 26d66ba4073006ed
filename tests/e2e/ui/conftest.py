"""Pages of the service for a real browser: one server and one browser for all tests of a module."""

import shutil
from types import SimpleNamespace

import pytest
import redis as redis_library
from sqlalchemy import delete

import services
from app import create_app
from config import Settings
from sites import SiteDraft
from sites.models import SiteRow
from tests.support.browser import browser, open_page, serving

__all__ = ["browser", "open_page"]


@pytest.fixture(scope="module")
def served(redis_server, _migrated_file, tmp_path_factory):
    """A service with a public gallery: its `url` and its `services`. It captures nothing by itself."""
    folder = tmp_path_factory.mktemp("ui")
    shutil.copy(_migrated_file, folder / "thumbnails.db")
    settings = Settings.of(
        redis_url=redis_server.url,
        database_url=f"sqlite:///{folder}/thumbnails.db",
        persist_dir=folder / "media",
        originals="redis",
        gallery_public=True,
        request_limit="100000 per minute",
    )
    built = services.build(settings, lambda _name: ["93.184.216.34"])
    with redis_library.Redis.from_url(redis_server.url) as client:
        client.flushall()
    with serving(create_app(settings, built)) as url:
        yield SimpleNamespace(url=url, services=built)
    built.close()


@pytest.fixture
def catalogue(served):
    """The catalogue, which is empty."""
    served.services.database.write(lambda session: session.execute(delete(SiteRow)))
    return served.services.catalogue


@pytest.fixture
def add(catalogue):
    def add(host, **more):
        return catalogue.add(SiteDraft(f"https://{host}/", **more))

    return add
