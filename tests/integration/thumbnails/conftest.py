import threading

import pytest


@pytest.fixture
def held(api):
    """A gate that holds all responses of the API. The fixture opens it in any case at the end."""
    gate = threading.Event()
    api.hold(gate)
    yield gate
    gate.set()
