import pytest

import services
from app import create_app
from config import Settings


@pytest.fixture
def settings(settings, database_url):
    """Every test of this folder that asks for a client runs on SQLite and on PostgreSQL."""
    return settings | {"database_url": database_url}


@pytest.fixture
def built(settings, resolver):
    built = services.build(Settings.of(**settings), resolver)
    yield built
    built.close()


@pytest.fixture
def client(built):
    return create_app(built.settings, built).test_client()
