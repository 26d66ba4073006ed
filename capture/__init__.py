"""Captures by a screenshot API, hosted or our own engine: client, dialects, outcomes, breaker and quota."""

from capture.api import ScreenshotAPI
from capture.breaker import CircuitBreaker
from capture.client import CaptureClient
from capture.dialects import DIALECTS
from capture.pseudonyms import Pseudonyms
from capture.quota import Quota

__all__ = ["DIALECTS", "CaptureClient", "CircuitBreaker", "Pseudonyms", "Quota", "ScreenshotAPI"]
