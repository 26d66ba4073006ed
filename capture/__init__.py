"""Captures by screenshot APIs, hosted or our own engine: clients, dialects, outcomes, breakers, quotas, costs, and their order."""

from capture.api import Admission, ScreenshotAPI
from capture.breaker import BreakerState, CircuitBreaker
from capture.client import AddressState, CaptureClient
from capture.costs import Costs
from capture.dialects import DIALECTS
from capture.engines import Engines
from capture.politeness import HostUse, Politeness, RateUse
from capture.provider import ApiState, Provider
from capture.pseudonyms import Pseudonyms
from capture.quota import Quota

__all__ = [
    "DIALECTS",
    "AddressState",
    "Admission",
    "ApiState",
    "BreakerState",
    "CaptureClient",
    "CircuitBreaker",
    "Costs",
    "Engines",
    "HostUse",
    "Politeness",
    "Provider",
    "Pseudonyms",
    "Quota",
    "RateUse",
    "ScreenshotAPI",
]
