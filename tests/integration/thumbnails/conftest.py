import threading

import pytest


@pytest.fixture
def held(api):
    """Every answer of the API waits for this gate; it is opened in the end whatever happens."""
    gate = threading.Event()
    api.hold(gate)
    yield gate
    gate.set()
