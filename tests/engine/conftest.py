import socket
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest

from tests.support.engine import Engine, running_engine
from tests.support.hostile import ADS
from tests.support.site import Site, running_site


def small_engine(site: Site, **settings: Any) -> AbstractContextManager[Engine]:
    """Run an engine for one test, without Debian's filter lists, which take half a second."""
    return running_engine(**{"PRIVATE_TARGETS": site.address, "ENGINE_FILTER_LISTS": "/nowhere.txt"} | settings)


@pytest.fixture(scope="session")
def site() -> Iterator[Site]:
    with running_site() as running:
        yield running


@pytest.fixture(scope="session")
def closed_port() -> Iterator[int]:
    """A port that is bound but not listened on, so every connection is refused."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@pytest.fixture(scope="session")
def engine(site: Site, closed_port: int) -> Iterator[Engine]:
    exempt = f"{site.address},localhost:{site.port},127.0.0.1:{closed_port}"
    with running_engine(PRIVATE_TARGETS=exempt, ENGINE_CONCURRENCY=2, ENGINE_FILTER_LISTS=ADS) as running:
        yield running


@pytest.fixture(scope="session")
def short_deadline_engine(site: Site) -> Iterator[Engine]:
    """For pages that never finish: 7.5 s to navigate, also where the machine is busy, 10 s in all."""
    with small_engine(site, ENGINE_DEADLINE=10, ENGINE_CONCURRENCY=6) as running:
        yield running
