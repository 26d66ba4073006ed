"""All settings of an installation."""

from typing import Any, Self

from pydantic_settings import InitSettingsSource

from config.access import AccessSettings
from config.apis import ApiSettings
from config.captures import CaptureSettings
from config.purging import PurgeSettings
from config.stores import StoreSettings
from config.telemetry import TelemetrySettings
from config.web import WebSettings
from config.work import WorkSettings


class Settings(
    WebSettings,
    StoreSettings,
    CaptureSettings,
    ApiSettings,
    AccessSettings,
    WorkSettings,
    PurgeSettings,
    TelemetrySettings,
):
    """The settings of an installation: each field is a variable. `docs/configuration.md` explains them."""

    @classmethod
    def of(cls, **values: Any) -> Self:
        """Make settings from `values` alone, for tests and tools. Reads no environment."""
        return cls(_build_sources=((InitSettingsSource(cls, values),), {}))
