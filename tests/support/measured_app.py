"""The real web process, but what its processes share is read twice a second, folders included, and figures are written."""

import figures.day
import measurements
import telemetry.server

telemetry.server.SHARED_SECONDS = measurements.FOLDER_SECONDS = figures.day.WRITE_SECONDS = 0.5

from app import app  # noqa: E402, F401
