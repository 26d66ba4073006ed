"""How pages are captured, for how long their pictures are shown, and which targets are public."""

from typing import Any, Literal, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_core import PydanticCustomError

from config.fields import BaseURL, Exemptions, HostAndPort, Ports, SettingsPart, seconds
from options import LONGEST_TTL


class CaptureSettings(SettingsPart):
    capture_api: Literal["engine", "snapsharp", "hermesforge", "snapapi"] = Field(
        "engine", description="engine, snapsharp, hermesforge or snapapi"
    )
    capture_url: BaseURL | None = Field(None, description="the http:// or https:// base URL of the screenshot API")
    capture_api_key: SecretStr | None = Field(
        None, description="the screenshot API's key, which SnapSharp and SnapAPI require"
    )
    snapsharp_api_key: SecretStr | None = Field(None, description="a SnapSharp key")
    capture_timeout: float = seconds(60, 1, 600)
    capture_concurrency: int = Field(16, ge=1, le=1000, description="a whole number from 1 to 1000")
    capture_queue: int = Field(64, ge=0, le=1000, description="a whole number from 0 to 1000")

    cache_ttl: int = seconds(86400, 60, LONGEST_TTL)
    stale_ttl: int = seconds(604800, 0, 31536000)
    refresh_budget: int = Field(0, ge=0, le=100_000, description="a number of captures a day from 0 (none) to 100000")

    private_targets: Exemptions = Field(
        (), description="hosts, host:port pairs, addresses or CIDRs, separated by commas"
    )
    allowed_ports: Ports = Field((80, 443), description="port numbers from 1 to 65535, separated by commas")
    resolve_targets: bool = Field(default=True, description="true or false")
    lists_egress: HostAndPort | None = Field(None, description="host:port of an outlet, `python -m engine.outlet`")
    block_ads: bool = Field(default=True, description="true or false")
    allow_ignore_https_errors: bool = Field(default=False, description="true or false")

    @model_validator(mode="before")
    @classmethod
    def _default_to_snapsharp(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Choose SnapSharp if its key is set and no API is named, as the tutorials of SnapSharp do."""
        if values.get("snapsharp_api_key") and not values.get("capture_api"):
            values["capture_api"] = "snapsharp"
        if values.get("capture_api") == "snapsharp" and not values.get("capture_api_key"):
            values["capture_api_key"] = values.get("snapsharp_api_key")
        return values

    @model_validator(mode="after")
    def _require_api_key(self) -> Self:
        if self.capture_api in ("snapsharp", "snapapi") and self.capture_api_key is None:
            raise PydanticCustomError("capture_api_key", "a key is needed")
        return self
