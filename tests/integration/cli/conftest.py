import pytest

from tests.support.command_line import runner_for


@pytest.fixture
def settings(settings, database_url, tmp_path):
    return settings | {
        "database_url": database_url,
        "originals": "folder",
        "originals_dir": tmp_path / "originals",
    }


@pytest.fixture
def thumbnails(built):
    return runner_for(built)
