"""The HTTP client of screenshot APIs, and the dialects that it speaks."""

from capture.client import CaptureClient
from capture.dialects import DIALECTS, Dialect

__all__ = ["DIALECTS", "CaptureClient", "Dialect"]
