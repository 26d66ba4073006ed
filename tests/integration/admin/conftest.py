import shutil

import pytest

from tests.support.admin import KEY, log_in


@pytest.fixture
def database_url(_migrated_file, tmp_path):
    """SQLite alone: tests/integration/sites tries what the pages need on both databases."""
    shutil.copy(_migrated_file, tmp_path / "thumbnails.db")
    return f"sqlite:///{tmp_path}/thumbnails.db"


@pytest.fixture
def settings(settings, database_url):
    return settings | {"admin_key": KEY, "database_url": database_url}


@pytest.fixture
def admin(client):
    """A client that has logged in."""
    assert log_in(client).status_code == 303
    return client
