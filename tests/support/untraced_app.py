"""The real web process on a machine that lacks the packages of traces."""

import sys

sys.modules["opentelemetry"] = None

from app import app  # noqa: E402, F401
