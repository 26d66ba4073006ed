"""The settings of web process and worker, and the only module of both that reads the environment.

A value comes from the environment, else from `.env`, else from the file that `NAME_FILE` names, else from the default.
An invalid value stops the start with a message that names the variable and its valid values.
"""

import base64
import difflib
import os
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn, Self, get_args
from urllib.parse import urlsplit

import dotenv
import limits
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

import netguard
import redis_urls
from options import LONGEST_TTL, OUTPUT_SIDE


class ConfigError(Exception):
    """A setting is invalid. The text names the variable and its valid values, and never the given value."""


def stop(reason: Exception) -> NoReturn:
    """End the process because of its settings. The status tells a supervisor that a restart would not help."""
    sys.stderr.write(f"{reason}\n")
    sys.exit(os.EX_CONFIG)


def _split(value: object) -> object:
    return value.replace(",", " ").split() if isinstance(value, str) else value


def _sizes(value: object) -> object:
    return () if value == "any" else _split(value)


def _size(entry: str) -> str:
    width, cross, height = entry.partition("x")
    sides = [width] * bool(width) + [height] * bool(cross)
    if not sides or any(OUTPUT_SIDE.guess(side) is None for side in sides):
        raise ValueError(entry)
    return entry


def _rate(value: str) -> str:
    limits.parse_many(value)
    return value


def _base_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0 or parts.query or parts.fragment:
        raise ValueError(value)
    return value.rstrip("/")


def _database_url(value: str) -> str:
    parts = urlsplit(value)
    names_a_database = parts.scheme == "sqlite" or bool(parts.path.strip("/"))
    if parts.port == 0 or not names_a_database:  # `port` raises ValueError by itself
        raise ValueError(value)
    return value


def _exemptions(entries: tuple[str, ...]) -> tuple[str, ...]:
    netguard.exemptions(entries)
    return entries


def _webhook_secret(value: str) -> str:
    if not 24 <= len(base64.b64decode(value.removeprefix("whsec_"), validate=True)) <= 64:
        raise ValueError
    return value


def _key_rates(entries: tuple[str, ...]) -> tuple[str, ...]:
    for entry in entries:
        _rate(entry.split(":", 2)[2] if entry.count(":") > 1 else "1/minute")
    return entries


Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
KeyEntry = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,40}:[^:]{8,}(:.+)?$")]
SigningKey = Annotated[str, Field(min_length=16)]
WebhookSecret = Annotated[str, Field(pattern=r"^whsec_"), AfterValidator(_webhook_secret)]
# The headers in which proxies name the person who has logged in. deploy/nginx.conf removes each of them from what visitors
# send. A header that it does not know would let any visitor in.
TrustedHeader = Literal[
    "X-Forwarded-User", "X-Forwarded-Email", "X-Auth-Request-User", "X-Auth-Request-Email", "Remote-User"
]
# The widths of a `srcset`, alone or with the height for 16:9, and the size of link previews.
_WIDTHS = (160, 240, 320, 480, 640, 800, 960, 1200, 1280, 1600, 1920)
LADDER = (*map(str, _WIDTHS), *(f"{width}x{width * 9 // 16}" for width in _WIDTHS), "1200x630")
SizeEntry = Annotated[str, AfterValidator(_size)]
Rate = Annotated[str, AfterValidator(_rate), Field(description="a rate such as 30 per minute")]
BaseURL = Annotated[str, AfterValidator(_base_url)]
RedisURL = Annotated[str, AfterValidator(redis_urls.checked), Field(description=redis_urls.FORMS)]
DatabaseURL = Annotated[
    str, Field(pattern=r"^(sqlite:///[^?#\s]+|postgres(ql)?://\S+)$"), AfterValidator(_database_url)
]
Origin = Annotated[str, Field(pattern=r"^https?://[a-z0-9.-]+(:[0-9]+)?$")]
HostPattern = Annotated[str, BeforeValidator(str.lower), Field(pattern=r"^(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*$")]


def _seconds(default: float | None, low: int, high: int) -> Any:
    return Field(default, ge=low, le=high, description=f"a number of seconds from {low} to {high}")


class Settings(BaseSettings):
    """The settings of an installation: each field is a variable. `docs/configuration.md` explains them."""

    model_config = SettingsConfigDict(frozen=True, env_ignore_empty=True, extra="ignore", str_strip_whitespace=True)

    port: int = Field(8000, ge=1, le=65535, description="a port from 1 to 65535")
    web_host: str = Field("127.0.0.1", description="an address to listen on")
    web_concurrency: int = Field(2, ge=1, le=64, description="a number of processes from 1 to 64")
    web_connections: int = Field(1000, ge=2, le=10000, description="a number of connections from 2 to 10000")
    client_timeout: float = _seconds(60, 1, 600)

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

    capture_api: Literal["engine", "snapsharp", "hermesforge", "snapapi"] = Field(
        "engine", description="engine, snapsharp, hermesforge or snapapi"
    )
    capture_url: BaseURL | None = Field(None, description="the http:// or https:// base URL of the screenshot API")
    capture_api_key: SecretStr | None = Field(
        None, description="the screenshot API's key, which SnapSharp and SnapAPI require"
    )
    snapsharp_api_key: SecretStr | None = Field(None, description="a SnapSharp key")
    capture_timeout: float = _seconds(60, 1, 600)
    capture_concurrency: int = Field(16, ge=1, le=1000, description="a whole number from 1 to 1000")
    capture_queue: int = Field(64, ge=0, le=1000, description="a whole number from 0 to 1000")

    cache_ttl: int = _seconds(86400, 60, LONGEST_TTL)
    stale_ttl: int = _seconds(604800, 0, 31536000)
    originals: Literal["folder", "s3", "redis"] = Field("folder", description="folder, s3 (with S3_BUCKET) or redis")
    originals_dir: Path = Field(Path("data/originals"), description="a folder in which this process's user may write")
    originals_max_bytes: int = Field(2**31, ge=0, le=2**50, description="a number of bytes from 0 to 1125899906842624")
    master_ttl: int | None = _seconds(None, 60, 31536000)
    master_max_bytes: int | None = Field(None, ge=0, le=25 * 2**20, description="a number of bytes from 0 to 26214400")
    memory_cache_bytes: int = Field(128 * 2**20, ge=0, le=2**34, description="a number of bytes from 0 to 17179869184")

    refresh_budget: int = Field(0, ge=0, le=100_000, description="a number of captures a day from 0 (none) to 100000")

    sites_budget: int = Field(20_000, ge=0, le=10_000_000, description="a number of captures a day from 0 to 10000000")
    sites_webhook_url: str | None = Field(
        None, repr=False, pattern=r"^https?://[^/\s]+(/\S*)?$", description="the https:// URL of the receiver"
    )

    thumb_limit: Rate = "120 per minute; 1800 per hour"
    rendition_limit: Rate = "300 per minute; 3000 per hour"
    persist_limit: Rate = "5 per minute"
    request_limit: Rate = "3000 per minute"
    job_limit: Rate = "30 per minute"
    job_queue_limit: int = Field(10_000, ge=1, le=1_000_000, description="a whole number from 1 to 1000000")
    job_time_limit: int = _seconds(120, 4, 3600)
    bulk_limit: Rate = "120 per minute"
    worker_niceness: int = Field(10, ge=0, le=19, description="a niceness from 0 to 19")
    worker_concurrency: int = Field(2, ge=1, le=64, description="a number of processes from 1 to 64")
    trusted_proxies: int = Field(
        0, ge=0, le=10, description="the number of proxies in front of the service, from 0 to 10"
    )

    api_keys: Annotated[tuple[KeyEntry, ...], NoDecode, BeforeValidator(_split), AfterValidator(_key_rates)] = Field(
        (),
        repr=False,
        description="`name:secret` or `name:secret:300/minute` entries, with secrets of at least 8 characters",
    )
    signing_keys: Annotated[tuple[SigningKey, ...], NoDecode, BeforeValidator(_split)] = Field(
        (), repr=False, description="secrets of at least 16 characters, newest first, separated by commas"
    )
    allowed_sizes: Annotated[tuple[SizeEntry, ...], NoDecode, BeforeValidator(_sizes)] = Field(
        (),
        description="any, or to sizes such as 320, 320x180 or x180, separated by commas, "
        f"with sides from {OUTPUT_SIDE.low} to {OUTPUT_SIDE.high}",
    )
    allowed_targets: Annotated[tuple[HostPattern, ...], NoDecode, BeforeValidator(_split)] = Field(
        (), description="host patterns such as example.com or *.example.com, in ASCII"
    )
    cors_origins: Annotated[tuple[Origin, ...], NoDecode, BeforeValidator(_split)] = Field(
        (), description="origins such as https://cms.example.com"
    )

    webhook_secret: Annotated[tuple[WebhookSecret, ...], NoDecode, BeforeValidator(_split)] = Field(
        (),
        repr=False,
        description="`whsec_` and the base64 of 24 to 64 random bytes (several: newest first, separated by commas)",
    )

    private_targets: Annotated[Words, AfterValidator(_exemptions)] = Field(
        (), description="hosts, host:port pairs, addresses or CIDRs, separated by commas"
    )
    allowed_ports: Annotated[
        tuple[Annotated[int, Field(ge=1, le=65535)], ...], NoDecode, BeforeValidator(_split), Field(min_length=1)
    ] = Field((80, 443), description="port numbers from 1 to 65535, separated by commas")
    resolve_targets: bool = Field(default=True, description="true or false")

    s3_bucket: str | None = Field(
        None, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{2,254}$", description="the name of a bucket"
    )
    s3_region: str | None = Field(None, description="a region such as eu-central-1")
    s3_endpoint_url: BaseURL | None = Field(None, description="the http:// or https:// URL of an S3-compatible server")
    s3_public_url: BaseURL | None = Field(None, description="the http:// or https:// base URL of permanent pictures")
    s3_conditional: Literal["auto", "on", "off"] = Field("auto", description="auto, on or off")
    persist_bytes_limit: int = Field(
        2**30, ge=1, le=2**50, description="a number of bytes a day from 1 to 1125899906842624"
    )
    persist_min_free: int = Field(
        256 * 2**20, ge=0, le=2**50, description="a number of bytes from 0 to 1125899906842624"
    )
    persist_dir: Path = Field(Path("data/media"), description="the path of a folder")
    public_url: BaseURL | None = Field(
        None, description="the http:// or https:// URL by which callers reach the service"
    )

    gallery_public: bool = Field(default=False, description="true or false")
    admin_key: SecretStr | None = Field(
        None, min_length=16, max_length=256, description="a secret of 16 to 256 characters that is no key of API_KEYS"
    )
    admin_trusted_header: TrustedHeader | None = Field(
        None,
        description=f"{', '.join(get_args(TrustedHeader)[:-1])} or {get_args(TrustedHeader)[-1]}, "
        "with ADMIN_KEY and TRUSTED_PROXIES of 1 or more",
    )

    block_ads: bool = Field(default=True, description="true or false")
    allow_ignore_https_errors: bool = Field(default=False, description="true or false")
    log_format: Literal["json", "console"] = Field(
        default_factory=lambda: "console" if sys.stderr.isatty() else "json", description="json or console"
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="DEBUG, INFO, WARNING or ERROR")

    @model_validator(mode="before")
    @classmethod
    def _default_to_snapsharp(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Choose SnapSharp if its key is set and no API is named, as the tutorials of SnapSharp do."""
        if values.get("snapsharp_api_key") and not values.get("capture_api"):
            values["capture_api"] = "snapsharp"
        if values.get("capture_api") == "snapsharp" and not values.get("capture_api_key"):
            values["capture_api_key"] = values.get("snapsharp_api_key")
        return values

    @model_validator(mode="before")
    @classmethod
    def _limit_sizes_of_signed_urls(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Allow only the sizes of LADDER if URLs are signed. A signature covers no size, so one URL would allow all."""
        if values.get("signing_keys") and not values.get("allowed_sizes"):
            values["allowed_sizes"] = LADDER
        return values

    @model_validator(mode="after")
    def _require_api_key(self) -> Self:
        if self.capture_api in ("snapsharp", "snapapi") and self.capture_api_key is None:
            raise PydanticCustomError("capture_api_key", "a key is needed")
        return self

    @model_validator(mode="after")
    def _require_bucket(self) -> Self:
        if self.originals == "s3" and self.s3_bucket is None:
            raise PydanticCustomError("originals", "a bucket is needed")
        return self

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
    def _require_webhook_secret(self) -> Self:
        if self.sites_webhook_url and not self.webhook_secret:
            raise PydanticCustomError("webhook_secret", "a secret is needed")
        return self

    @property
    def state_url(self) -> str:
        """The Redis of limits, leases and jobs: that of pictures unless another is named."""
        return self.state_redis_url or self.redis_url

    @classmethod
    def of(cls, **values: Any) -> Self:
        """Make settings from `values` alone, for tests and tools. Reads no environment."""
        return cls(_env_prefix="no variable starts like this: ", **values)


def load() -> Settings:
    """Read the settings. Raises ConfigError, whose text names every invalid variable."""
    dotenv.load_dotenv(Path(".env"))
    _read_secret_files()
    try:
        settings = Settings()
    except ValidationError as err:
        raise ConfigError("\n".join(dict.fromkeys(map(_describe, err.errors())))) from None
    if settings.originals == "folder":
        _require_writable(settings.originals_dir, "originals_dir")
    return settings


def _require_writable(folder: Path, field: str) -> None:
    """Make a folder for this user alone if it is missing, and write there. Raises ConfigError."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as err:
        described = Settings.model_fields[field].description
        raise ConfigError(f"{field.upper()} is invalid ({err.strerror}): set it to {described}") from None


def _describe(error: ErrorDetails) -> str:
    name = str(error["loc"][0]) if error["loc"] else error["type"]
    field = Settings.model_fields[name]
    return f"{name.upper()} is invalid: set it to {field.description}"


def _read_secret_files() -> None:
    """Set `NAME` from the file that `NAME_FILE` names, since Docker and Kubernetes mount secrets as files."""
    for name in map(str.upper, Settings.model_fields):
        path = os.environ.get(f"{name}_FILE")
        if not path or os.environ.get(name):
            continue
        try:
            os.environ[name] = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            raise ConfigError(f"{name}_FILE is invalid: set it to the path of a readable text file") from None


_PREFIXES = (
    "CAPTURE_",
    "CACHE_",
    "MASTER_",
    "ORIGINALS_",
    "REFRESH_",
    "RENDITION_",
    "THUMB_",
    "PERSIST_",
    "JOB_",
    "S3_",
    "SNAPSHARP_",
    "ADMIN_",
    "ALLOWED_",
    "PRIVATE_TARGET",
    "WEBHOOK_",
)
# The engine is a program of its own; compose passes `.env` to the web process too, which alone can warn of all of it.
ENGINE_VARIABLES = {
    "ENGINE_API_KEY",
    "ENGINE_BROWSER_USER",
    "ENGINE_CHROMIUM",
    "ENGINE_CONCURRENCY",
    "ENGINE_DEADLINE",
    "ENGINE_EGRESS",
    "ENGINE_FILTER_LISTS",
    "ENGINE_FIRST_BYTE_SECONDS",
    "ENGINE_HOST",
    "ENGINE_ISOLATION",
    "ENGINE_MAX_CAPTURES",
    "ENGINE_MEMORY_LIMIT",
    "ENGINE_PDFJS",
    "ENGINE_PORT",
    "ENGINE_QUEUE",
    "ENGINE_RENDERER_LIMIT",
    "ENGINE_USER_AGENT_SUFFIX",
}
_FIXED = "ENGINE_FIXED"  # set by docker-compose.yml: the names of those that it sets itself
_NEAR = 0.85  # from this similarity on, a name is a typo of one of ours, not a variable of another program


def internal_targets(settings: Settings) -> list[str]:
    """Return PRIVATE_TARGETS without the demo of `make run`, whose pages are for everyone."""
    demo = f"127.0.0.1:{os.environ.get('DEMO_PORT')}"
    return [target for target in settings.private_targets if target != demo]


def unknown_variables() -> list[str]:
    """Describe variables that resemble ours but do not exist. A typo must not silently leave the default in force."""
    known = {name.upper() for name in Settings.model_fields}
    known |= {f"{name}_FILE" for name in known}
    of_engine = ENGINE_VARIABLES | {"ENGINE_API_KEY_FILE", _FIXED}
    found = []
    for name in sorted(os.environ.keys() - known - of_engine):
        is_engines = name.startswith("ENGINE_")
        near = difflib.get_close_matches(name, of_engine if is_engines else known, n=1, cutoff=_NEAR)
        if near or is_engines or name.startswith(_PREFIXES):
            whose = "the engine" if is_engines else "this service"
            found.append(f"{name} is not a setting of {whose}" + (f"; did you mean {near[0]}?" if near else ""))
    return found


def without_effect(settings: Settings) -> list[str]:
    """Describe settings of the engine that are set but change nothing."""
    given = sorted(name for name in ENGINE_VARIABLES if os.environ.get(name))
    if settings.capture_api != "engine":
        return [f"{name} has no effect: captures come from {settings.capture_api}" for name in given]
    fixed = os.environ.get(_FIXED, "").split()
    return [f"{name} has no effect: this deployment sets it itself" for name in given if name in fixed]
