"""What is purged beside this service: the caches in front."""

from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, model_validator
from pydantic_core import PydanticCustomError

from config.fields import BaseURL, BaseURLs, SettingsPart


class PurgeSettings(SettingsPart):
    cache_tags: bool = Field(False, description="true or false")
    nginx_cache_dir: Path | None = Field(
        None, description="the folder of nginx' cache, in which this process may write"
    )
    fastly_service_id: str | None = Field(None, pattern=r"^[A-Za-z0-9]{1,64}$", description="the id of a service")
    fastly_api_token: SecretStr | None = Field(None, description="a token, with FASTLY_SERVICE_ID")
    fastly_api_url: BaseURL = Field("https://api.fastly.com", description="the https:// URL of the API")
    cloudflare_zone_id: str | None = Field(None, pattern=r"^[A-Za-z0-9]{1,64}$", description="the id of a zone")
    cloudflare_api_token: SecretStr | None = Field(None, description="a token, with CLOUDFLARE_ZONE_ID")
    cloudflare_api_url: BaseURL = Field(
        "https://api.cloudflare.com/client/v4", description="the https:// URL of the API"
    )
    purge_urls: BaseURLs = Field((), description="http:// or https:// URLs that take PURGE, separated by commas")

    @property
    def tags_pictures(self) -> bool:
        """Whether pictures carry cache tags: where a cache in front is purged by them."""
        return self.cache_tags or bool(
            self.nginx_cache_dir or self.fastly_service_id or self.cloudflare_zone_id or self.purge_urls
        )

    @model_validator(mode="after")
    def _require_tokens(self) -> Self:
        for cdn in ("fastly", "cloudflare"):
            id_ = "fastly_service_id" if cdn == "fastly" else "cloudflare_zone_id"
            if (getattr(self, id_) is None) != (getattr(self, f"{cdn}_api_token") is None):
                missing = id_ if getattr(self, id_) is None else f"{cdn}_api_token"
                raise PydanticCustomError(missing, "both are needed")
        return self
