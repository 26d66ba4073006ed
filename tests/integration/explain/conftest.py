import pytest

import services
from app import create_app
from config import Settings


@pytest.fixture
def settings(settings, tmp_path):
    return settings | {"originals": "folder", "originals_dir": tmp_path / "originals", "memory_cache_bytes": 1_000_000}


@pytest.fixture
def make_built(settings, resolver):
    """Make the services of processes that share all stores."""
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
def client(built):
    return create_app(built.settings, built).test_client()
