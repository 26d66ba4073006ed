import shutil

import pytest

from tests.support.cdn import running_cdn


@pytest.fixture
def settings(settings, _migrated_file, tmp_path):
    shutil.copy(_migrated_file, tmp_path / "thumbnails.db")
    return settings | {"originals": "folder", "originals_dir": tmp_path / "originals", "memory_cache_bytes": 1_000_000}


@pytest.fixture
def cdn():
    with running_cdn() as fake:
        yield fake
