"""Where things are kept: Redis, the database, originals, permanent pictures."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

import redis_urls
from config.fields import BaseURL, DatabaseURL, RedisURL, SettingsPart, seconds


class StoreSettings(SettingsPart):
    redis_url: RedisURL = "redis://127.0.0.1:6379/0"
    state_redis_url: RedisURL | None = Field(None, description=redis_urls.FORMS)
    redis_prefix: str = Field(
        "thumb", pattern=r"^[A-Za-z0-9_.-]{1,40}$", description="1 to 40 letters, digits, dots, hyphens or underscores"
    )
    database_url: DatabaseURL = Field(
        "sqlite:///data/thumbnails.db",
        repr=False,  # it may hold a password
        description="sqlite:/// and the path of a file, or postgresql://user:password@host/name",
    )

    originals: Literal["folder", "s3", "redis"] = Field("folder", description="folder, s3 (with S3_BUCKET) or redis")
    originals_dir: Path = Field(Path("data/originals"), description="a folder in which this process's user may write")
    originals_max_bytes: int = Field(2**31, ge=0, le=2**50, description="a number of bytes from 0 to 1125899906842624")
    master_ttl: int | None = seconds(None, 60, 31536000)
    master_max_bytes: int | None = Field(None, ge=0, le=25 * 2**20, description="a number of bytes from 0 to 26214400")
    memory_cache_bytes: int = Field(96 * 2**20, ge=0, le=2**34, description="a number of bytes from 0 to 17179869184")
    disk_cache_bytes: int = Field(512 * 2**20, ge=0, le=2**40, description="a number of bytes from 0 to 1099511627776")

    s3_bucket: str | None = Field(
        None, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{2,254}$", description="the name of a bucket"
    )
    s3_region: str | None = Field(None, description="a region such as eu-central-1")
    s3_endpoint_url: BaseURL | None = Field(None, description="the http:// or https:// URL of an S3-compatible server")
    s3_public_url: BaseURL | None = Field(None, description="the http:// or https:// base URL of permanent pictures")
    s3_conditional: Literal["auto", "on", "off"] = Field("auto", description="auto, on or off")
    persist_dir: Path = Field(Path("data/media"), description="the path of a folder")
    persist_bytes_limit: int = Field(
        2**30, ge=1, le=2**50, description="a number of bytes a day from 1 to 1125899906842624"
    )
    persist_min_free: int = Field(
        256 * 2**20, ge=0, le=2**50, description="a number of bytes from 0 to 1125899906842624"
    )

    @model_validator(mode="after")
    def _require_bucket(self) -> Self:
        if self.originals == "s3" and self.s3_bucket is None:
            raise PydanticCustomError("originals", "a bucket is needed")
        return self

    @property
    def state_url(self) -> str:
        """The Redis of limits, leases and jobs: that of pictures unless another is named."""
        return self.state_redis_url or self.redis_url
