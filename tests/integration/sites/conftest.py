import pytest


@pytest.fixture
def settings(settings, database_url):
    """Every test of this folder that asks for a client runs on SQLite and on PostgreSQL."""
    return settings | {"database_url": database_url}
