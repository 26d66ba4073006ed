"""Where a process shows its operator what it counts."""

from pydantic import Field

from config.fields import SettingsPart


class TelemetrySettings(SettingsPart):
    metrics_port: int | None = Field(None, ge=1, le=65535, description="a port from 1 to 65535")
    metrics_host: str = Field("127.0.0.1", description="an address to listen on")
