"""Who may do what, and how often."""

from pathlib import Path
from typing import Any, Self, get_args

from pydantic import Field, SecretStr, model_validator
from pydantic_core import PydanticCustomError

from config.fields import (
    DIALECTS,
    LADDER,
    OPEN_DIALECTS,
    ApiKeys,
    Dialects,
    HostPatterns,
    Origins,
    PagePatterns,
    Rate,
    SettingsPart,
    SigningKeys,
    Sizes,
    TrustedHeader,
)
from options import OUTPUT_SIDE

WITH_REASON = "with_reason"  # the type of an error whose text says all
_UNSIGNED = (
    "DIALECTS is invalid: addresses of {names} have no signature, and with SIGNING_KEYS every picture needs one; leave them out, "
    "or set ALLOWED_TARGETS to the hosts that may be captured without one"
)


class AccessSettings(SettingsPart):
    thumb_limit: Rate = "120 per minute; 1800 per hour"
    rendition_limit: Rate = "300 per minute; 3000 per hour"
    persist_limit: Rate = "5 per minute"
    request_limit: Rate = "3000 per minute"

    api_keys: ApiKeys = Field(
        (),
        repr=False,
        description="`name:secret` or `name:secret:300/minute` entries, with secrets of at least 8 characters",
    )
    signing_keys: SigningKeys = Field(
        (), repr=False, description="secrets of at least 16 characters, newest first, separated by commas"
    )
    allowed_sizes: Sizes = Field(
        (),
        description="any, or to sizes such as 320, 320x180 or x180, separated by commas, "
        f"with sides from {OUTPUT_SIDE.low} to {OUTPUT_SIDE.high}",
    )
    allowed_targets: HostPatterns = Field(
        (), description="host patterns such as example.com or *.example.com, in ASCII"
    )
    blocked_targets: PagePatterns = Field(
        (), description="patterns such as example.com, *.example.com or example.com/path, in ASCII"
    )
    blocked_targets_file: Path | None = Field(None, description="the path of a readable text file, a pattern a line")
    dialects: Dialects = Field((), description=f"names of services, separated by commas: {', '.join(DIALECTS)}")
    cors_origins: Origins = Field((), description="origins such as https://cms.example.com")

    trusted_proxies: int = Field(
        0, ge=0, le=10, description="the number of proxies in front of the service, from 0 to 10"
    )
    admin_key: SecretStr | None = Field(
        None, min_length=16, max_length=256, description="a secret of 16 to 256 characters that is no key of API_KEYS"
    )
    admin_trusted_header: TrustedHeader | None = Field(
        None,
        description=f"{', '.join(get_args(TrustedHeader)[:-1])} or {get_args(TrustedHeader)[-1]}, "
        "with ADMIN_KEY and TRUSTED_PROXIES of 1 or more",
    )

    @model_validator(mode="before")
    @classmethod
    def _limit_sizes_of_signed_urls(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Allow only the sizes of LADDER if URLs are signed. A signature covers no size, so one URL would allow all."""
        if values.get("signing_keys") and not values.get("allowed_sizes"):
            values["allowed_sizes"] = LADDER
        return values

    @model_validator(mode="after")
    def _keep_admin_key_apart(self) -> Self:
        """A key that programs hold must not open the admin pages."""
        key = self.admin_key.get_secret_value() if self.admin_key else None
        if key in (*(entry.split(":")[1] for entry in self.api_keys), *self.signing_keys):
            raise PydanticCustomError("admin_key", "another key")
        return self

    @model_validator(mode="after")
    def _require_proxy(self) -> Self:
        if self.admin_trusted_header and not (self.admin_key and self.trusted_proxies):
            raise PydanticCustomError("admin_trusted_header", "a proxy is needed")
        return self

    @model_validator(mode="after")
    def _require_targets_of_open_dialects(self) -> Self:
        """Where pictures need a signature, addresses that have none open the service again."""
        unsigned = [name for name in self.dialects if name in OPEN_DIALECTS]
        if unsigned and self.signing_keys and not self.allowed_targets:
            raise PydanticCustomError(WITH_REASON, _UNSIGNED, {"names": ", ".join(unsigned)})
        return self
