import pytest

import services
from config import Settings
from tests.support.command_line import runner_for


@pytest.fixture
def settings(settings, database_url, tmp_path):
    return settings | {
        "database_url": database_url,
        "originals": "folder",
        "originals_dir": tmp_path / "originals",
    }


@pytest.fixture
def make_built(settings, resolver):
    made = []

    def make(**changes):
        made.append(services.build(Settings.of(**settings | changes), resolver))
        return made[-1]

    yield make
    for built in made:
        built.close()


@pytest.fixture
def built(make_built):
    return make_built()


@pytest.fixture
def thumbnails(built):
    return runner_for(built)
