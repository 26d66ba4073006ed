import pytest


@pytest.fixture
def settings(settings, tmp_path):
    return settings | {"originals": "folder", "originals_dir": tmp_path / "originals", "memory_cache_bytes": 1_000_000}
