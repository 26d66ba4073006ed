"""The real web process, but what its processes share is read twice a second, folders included."""

import measurements
import telemetry.server

telemetry.server.SHARED_SECONDS = measurements.FOLDER_SECONDS = 0.5

from app import app  # noqa: E402, F401
