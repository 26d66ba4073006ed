"""Captures by screenshot APIs, hosted or our own engine: clients, dialects, outcomes, breakers, quotas, costs, and their order."""

from capture.api import Admission, ScreenshotAPI
from capture.breaker import CircuitBreaker
from capture.client import CaptureClient
from capture.costs import Costs
from capture.dialects import DIALECTS
from capture.engines import Engines
from capture.politeness import Politeness
from capture.provider import Provider
from capture.pseudonyms import Pseudonyms
from capture.quota import Quota

__all__ = [
    "DIALECTS",
    "Admission",
    "CaptureClient",
    "CircuitBreaker",
    "Costs",
    "Engines",
    "Politeness",
    "Provider",
    "Pseudonyms",
    "Quota",
    "ScreenshotAPI",
]
