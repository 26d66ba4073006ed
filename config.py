"""Settings: the only reader of the environment on the web side.

A value comes from the environment, else from `.env`, else from the file that `NAME_FILE` names, else from the
default. One that cannot be used stops the start with a message that names the variable and its valid values.
"""

import difflib
import os
import sys
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import dotenv
import limits
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

import netguard


class ConfigError(Exception):
    """A setting that cannot be used. The text names the variable and its valid values, never a secret's value."""


def _split(value: object) -> object:
    return value.replace(",", " ").split() if isinstance(value, str) else value


def _rate(value: str) -> str:
    limits.parse_many(value)
    return value


def _origin(value: str) -> str:
    if not value.startswith(("http://", "https://")):
        raise ValueError(value)
    return value.rstrip("/")


def _exemptions(entries: tuple[str, ...]) -> tuple[str, ...]:
    netguard.exemptions(entries)
    return entries


def _key_rates(entries: tuple[str, ...]) -> tuple[str, ...]:
    for entry in entries:
        _rate(entry.split(":", 2)[2] if entry.count(":") > 1 else "1/minute")
    return entries


Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
KeyEntry = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,40}:[^:]{8,}(:.+)?$")]
SigningKey = Annotated[str, Field(min_length=16)]
SizeEntry = Annotated[str, Field(pattern=r"^(\d{2,4}(x\d{2,4})?|x\d{2,4})$")]
Rate = Annotated[str, AfterValidator(_rate), Field(description="a rate such as `30 per minute`")]
Origin = Annotated[str, AfterValidator(_origin)]


def _seconds(default: float, low: int, high: int) -> Any:
    return Field(default, ge=low, le=high, description=f"seconds from {low} to {high}")


class Settings(BaseSettings):
    """What an installation can set, one field a variable. `docs/configuration.md` says more."""

    model_config = SettingsConfigDict(frozen=True, env_ignore_empty=True, extra="ignore", str_strip_whitespace=True)

    redis_url: str = Field(
        "redis://127.0.0.1:6379/0",
        pattern=r"^(redis|rediss|unix)://",
        description="a redis://, rediss:// or unix:// URL",
    )

    capture_api: Literal["engine", "snapsharp", "hermesforge", "snapapi"] = Field(
        "engine", description="engine, snapsharp, hermesforge or snapapi"
    )
    capture_url: Origin | None = Field(None, description="the http:// or https:// base URL of the screenshot API")
    capture_api_key: SecretStr | None = Field(None, description="the screenshot API's key")
    snapsharp_api_key: SecretStr | None = Field(None, description="a SnapSharp key")
    capture_timeout: float = _seconds(60, 1, 600)
    capture_concurrency: int = Field(16, ge=1, le=1000, description="a whole number from 1 to 1000")

    cache_ttl: int = _seconds(86400, 60, 2592000)
    stale_ttl: int = _seconds(604800, 0, 31536000)
    master_ttl: int = _seconds(86400, 60, 31536000)
    master_max_bytes: int = Field(4 * 2**20, ge=0, le=25 * 2**20, description="bytes from 0 to 26214400")
    memory_cache_bytes: int = Field(64 * 2**20, ge=0, le=2**34, description="bytes from 0 to 17179869184")

    thumb_limit: Rate = "30 per minute"
    persist_limit: Rate = "5 per minute"
    request_limit: Rate = "1200 per minute"
    trusted_proxies: int = Field(0, ge=0, le=10, description="the number of proxies in front, from 0 to 10")

    api_keys: Annotated[tuple[KeyEntry, ...], NoDecode, BeforeValidator(_split), AfterValidator(_key_rates)] = Field(
        (),
        repr=False,
        description="`name:secret` or `name:secret:300/minute` entries, secrets of at least 8 characters",
    )
    signing_keys: Annotated[tuple[SigningKey, ...], NoDecode, BeforeValidator(_split)] = Field(
        (), repr=False, description="secrets of at least 16 characters, newest first, separated by commas"
    )
    allowed_sizes: Annotated[tuple[SizeEntry, ...], NoDecode, BeforeValidator(_split)] = Field(
        (), description="sizes such as 320, 320x180 or x180, separated by commas"
    )
    allowed_targets: Words = Field((), description="host patterns such as example.com or *.example.com")
    cors_origins: Annotated[tuple[Origin, ...], NoDecode, BeforeValidator(_split)] = Field(
        (), description="origins such as https://cms.example.com"
    )

    private_targets: Annotated[Words, AfterValidator(_exemptions)] = Field(
        (), description="hosts, host:ports, addresses or CIDRs, separated by commas"
    )
    allowed_ports: Annotated[
        tuple[Annotated[int, Field(ge=1, le=65535)], ...], NoDecode, BeforeValidator(_split), Field(min_length=1)
    ] = Field((80, 443), description="port numbers from 1 to 65535, separated by commas")
    resolve_targets: bool = Field(default=True, description="true or false")

    s3_bucket: str | None = Field(None, description="a bucket's name")
    s3_region: str | None = Field(None, description="a region such as eu-central-1")
    s3_endpoint_url: Origin | None = Field(None, description="the http:// or https:// URL of an S3-compatible server")
    s3_public_url: Origin | None = Field(None, description="the http:// or https:// base of permanent URLs")
    persist_dir: Path = Field(Path("data/media"), description="a folder")
    public_url: Origin | None = Field(None, description="the http:// or https:// URL under which the service is seen")

    block_ads: bool = Field(default=True, description="true or false")
    log_format: Literal["json", "console"] = Field(
        default_factory=lambda: "console" if sys.stderr.isatty() else "json", description="json or console"
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="DEBUG, INFO, WARNING or ERROR")

    @model_validator(mode="before")
    @classmethod
    def _default_to_snapsharp(cls, values: dict[str, Any]) -> dict[str, Any]:
        """A SnapSharp key alone is enough to use SnapSharp, as the tutorials have it."""
        if values.get("snapsharp_api_key") and not values.get("capture_api"):
            values["capture_api"] = "snapsharp"
        if values.get("capture_api") == "snapsharp" and not values.get("capture_api_key"):
            values["capture_api_key"] = values.get("snapsharp_api_key")
        return values

    @classmethod
    def of(cls, **values: Any) -> Self:
        """Make settings from `values` alone, for tests and tools: the environment is not read."""
        return cls(_env_prefix="no variable starts like this: ", **values)


def load() -> Settings:
    """Read the settings. Raises ConfigError that names every variable that cannot be used."""
    dotenv.load_dotenv(Path(".env"))
    _read_secret_files()
    try:
        return Settings()
    except ValidationError as err:
        raise ConfigError("\n".join(dict.fromkeys(_describe(str(e["loc"][0])) for e in err.errors()))) from None


def _describe(name: str) -> str:
    field = Settings.model_fields[name]
    return f"{name.upper()} cannot be used as it is set: it must be {field.description}"


def _read_secret_files() -> None:
    """Let `NAME_FILE` stand in for `NAME`, as Docker and Kubernetes mount secrets."""
    for name in map(str.upper, Settings.model_fields):
        path = os.environ.get(f"{name}_FILE")
        if not path or os.environ.get(name):
            continue
        try:
            os.environ[name] = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            raise ConfigError(f"{name}_FILE cannot be used: it must name a readable text file") from None


_PREFIXES = ("CAPTURE_", "CACHE_", "THUMB_", "PERSIST_", "S3_", "SNAPSHARP_", "ALLOWED_", "PRIVATE_TARGET", "TRUSTED_")


def unknown_variables() -> list[str]:
    """Describe variables that look like ours and are not: a typo must not silently leave the default in force."""
    known = {name.upper() for name in Settings.model_fields}
    known |= {f"{name}_FILE" for name in known}
    strange = [name for name in os.environ if name.startswith(_PREFIXES) and name not in known]
    return [f"{name} is no setting of this service{_suggest(name, known)}" for name in strange]


def _suggest(name: str, known: set[str]) -> str:
    nearest = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {nearest[0]}?" if nearest else ""
