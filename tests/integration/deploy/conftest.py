import tempfile
from pathlib import Path

import pytest

from tests.support.nginx import Edge, running_nginx
from tests.support.site import running_site


@pytest.fixture
def folder():
    with tempfile.TemporaryDirectory(prefix="edge") as name:  # not tmp_path, since the path of a socket must be short
        yield Path(name)


@pytest.fixture
def site():
    """A server in place of the web process, for tests that look at nginx's requests or choose the responses."""
    with running_site() as running:
        yield running


@pytest.fixture
def site_edge(site, folder):
    with running_nginx(folder, site.url("")) as url:
        yield Edge(url, folder)
