"""The real worker with a fast clock, whose processes read what they share twice a second."""

import telemetry.server
from tests.support.fast_clock_worker import app  # noqa: F401

telemetry.server.SHARED_SECONDS = 0.5
