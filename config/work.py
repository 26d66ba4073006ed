"""What the worker does: jobs, sites, webhooks."""

from typing import Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from config.fields import Rate, SettingsPart, WebhookSecrets, seconds


class WorkSettings(SettingsPart):
    job_limit: Rate = "30 per minute"
    job_queue_limit: int = Field(10_000, ge=1, le=1_000_000, description="a whole number from 1 to 1000000")
    job_time_limit: int = seconds(120, 4, 3600)
    worker_niceness: int = Field(10, ge=0, le=19, description="a niceness from 0 to 19")
    worker_concurrency: int = Field(2, ge=1, le=64, description="a number of processes from 1 to 64")

    sites_budget: int = Field(20_000, ge=0, le=10_000_000, description="a number of captures a day from 0 to 10000000")
    sites_webhook_url: str | None = Field(
        None, repr=False, pattern=r"^https?://[^/\s]+(/\S*)?$", description="the https:// URL of the receiver"
    )
    webhook_secret: WebhookSecrets = Field(
        (),
        repr=False,
        description="`whsec_` and the base64 of 24 to 64 random bytes (several: newest first, separated by commas)",
    )

    @model_validator(mode="after")
    def _require_webhook_secret(self) -> Self:
        if self.sites_webhook_url and not self.webhook_secret:
            raise PydanticCustomError("webhook_secret", "a secret is needed")
        return self
