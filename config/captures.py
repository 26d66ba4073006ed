"""How pages are captured, for how long their pictures are shown, and which targets are public."""

from pydantic import Field

from config.fields import Exemptions, HostAndPort, Ports, SettingsPart, TargetLimit, TargetRate, seconds
from options import LONGEST_TTL


class CaptureSettings(SettingsPart):
    capture_timeout: float = seconds(60, 1, 600)
    capture_concurrency: int = Field(16, ge=1, le=1000, description="a whole number from 1 to 1000")
    capture_queue: int = Field(64, ge=0, le=1000, description="a whole number from 0 to 1000")

    target_limit: TargetLimit = Field(
        TargetRate(), description="captures of one host, such as 4 at a time; 60 per minute"
    )

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
