"""Where a process shows its operator what it counts, and where it sends spans.

The variables of traces are OpenTelemetry's own. Its SDK reads them from the environment; here they are judged.
"""

from typing import Literal

from pydantic import Field, SecretStr

from config.fields import BaseURL, SettingsPart

_SAMPLERS = (
    "always_on, always_off, traceidratio, parentbased_always_on, parentbased_always_off or parentbased_traceidratio"
)


class TelemetrySettings(SettingsPart):
    metrics_port: int | None = Field(None, ge=1, le=65535, description="a port from 1 to 65535")
    metrics_host: str = Field("127.0.0.1", description="an address to listen on")

    otel_exporter_otlp_endpoint: BaseURL | None = Field(
        None, description="the http:// or https:// URL of a receiver of OTLP over HTTP, such as http://127.0.0.1:4318"
    )
    otel_exporter_otlp_headers: SecretStr | None = Field(
        None, description="headers for the receiver as name=value pairs, percent-encoded and separated by commas"
    )
    otel_service_name: str | None = Field(None, max_length=255, description="a name of at most 255 characters")
    otel_traces_sampler: Literal[
        "always_on",
        "always_off",
        "traceidratio",
        "parentbased_always_on",
        "parentbased_always_off",
        "parentbased_traceidratio",
    ] = Field("parentbased_always_on", description=_SAMPLERS)
    otel_traces_sampler_arg: float = Field(1.0, ge=0, le=1, description="a share of the traces from 0 to 1")
    otel_sdk_disabled: bool = Field(default=False, description="true or false")

    @property
    def sends_traces(self) -> bool:
        return self.otel_exporter_otlp_endpoint is not None and not self.otel_sdk_disabled
