"""Settings of the engine. No other module of the engine reads the environment.

A value comes from the environment, else from `.env`, else from the file that `NAME_FILE` names, else from the
default. An invalid value stops the start with a message that names the variable and its valid values.
"""

import difflib
import os
import pwd
import sys
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import dotenv
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

import cards
import netguard

CORES = os.cpu_count() or 1
# Debian's and Fedora's packages. Elsewhere, `make run` names the one that set-up has fetched.
HEADLESS_SHELLS = (
    Path("/usr/lib/chromium/chromium-headless-shell"),
    Path("/usr/lib64/chromium-browser/headless_shell"),
)
EASYLIST = Path("/usr/share/chromium/extensions/ublock-origin/assets/thirdparties/easylist")  # Debian's uBlock Origin


class InvalidSettings(Exception):
    """A setting is invalid. The text names the variable and its valid values, never a secret's value."""


def _split(value: object) -> object:
    return value.replace(",", " ").split() if isinstance(value, str) else value


def _exemptions(entries: tuple[str, ...]) -> tuple[str, ...]:
    netguard.exemptions(entries)
    return entries


def _address(value: object) -> object:
    if not isinstance(value, str):
        return value
    host, _, port = value.rpartition(":")
    if not host or not port.isascii() or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError(value)
    return host.removeprefix("[").removesuffix("]"), int(port)


def _base_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0 or parts.query or parts.fragment:
        raise ValueError(value)
    return value


def _executable(path: Path) -> Path:
    if not os.access(path, os.X_OK) or not path.is_file():
        raise ValueError(path)
    return path


def _account(name: str) -> str:
    try:
        pwd.getpwnam(name)
    except KeyError as err:
        raise ValueError(name) from err
    return name


def _number(default: int, low: int, high: int, unit: str = "a whole number") -> Any:
    return Field(default, ge=low, le=high, description=f"{unit} from {low} to {high}")


Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
Paths = Annotated[tuple[Path, ...], NoDecode, BeforeValidator(_split)]
Address = Annotated[tuple[str, int] | None, NoDecode, BeforeValidator(_address)]
Ports = Annotated[
    tuple[Annotated[int, Field(ge=1, le=65535)], ...], NoDecode, BeforeValidator(_split), Field(min_length=1)
]


class EngineSettings(BaseSettings):
    """The settings of the engine, one field for each variable. Memory is in MiB, times are in seconds."""

    model_config = SettingsConfigDict(
        frozen=True, env_ignore_empty=True, extra="ignore", str_strip_whitespace=True, validate_default=True
    )

    engine_host: str = Field("127.0.0.1", description="an address or host name to listen on")
    engine_port: int = _number(8001, 0, 65535, "a port")
    engine_api_key: SecretStr | None = Field(None, description="a key")

    engine_concurrency: int = _number(CORES, 1, 128)
    engine_queue: int = Field(
        # All that two web processes capture at a time should fit into the queue.
        default_factory=lambda data: 16 * data.get("engine_concurrency", CORES),
        ge=0,
        le=1024,
        description="a whole number from 0 to 1024",
    )
    engine_deadline: float = Field(30, ge=5, le=120, description="a number of seconds from 5 to 120")
    engine_first_byte_seconds: float = Field(
        # The rest of the deadline is for the rest of the page, and for its picture.
        default_factory=lambda data: data.get("engine_deadline", 30) * 5 / 6,
        ge=1,
        le=120,
        description="a number of seconds from 1 to 120",
    )

    engine_max_captures: int = _number(500, 1, 100_000)
    engine_memory_limit: int = Field(
        default_factory=lambda data: max(2048, 512 * data.get("engine_concurrency", CORES)),
        ge=512,
        le=1 << 20,
        description="a number of MiB from 512 to 1048576",
    )
    engine_renderer_limit: int = _number(1024, 128, 1 << 20, "a number of MiB")

    engine_chromium: Annotated[Path, AfterValidator(_executable)] = Field(
        default_factory=lambda: next(filter(Path.exists, HEADLESS_SHELLS), HEADLESS_SHELLS[0]),
        description="the path of a Chromium binary, not of a script that starts it "
        "(Debian: the package chromium-headless-shell; Fedora: chromium-headless)",
    )
    engine_browser_user: Annotated[str, AfterValidator(_account)] = Field(
        "nobody", description="the name of an account on this machine"
    )
    engine_user_agent_suffix: str = Field(
        "", max_length=128, pattern=r"^[ -~]*$", description="at most 128 printable ASCII characters"
    )
    engine_isolation: Literal["auto", "namespace", "flags"] = Field("auto", description="auto, namespace or flags")
    engine_egress: Address = Field(None, description="host:port of an outlet, `python -m engine.outlet`")
    engine_filter_lists: Paths = Field(
        (EASYLIST / "easylist.txt", EASYLIST / "easyprivacy.txt"),
        description="paths of Adblock Plus filter lists, separated by commas",
    )

    engine_pdfjs: Path = Field(
        Path("/usr/share/javascript/pdf"),
        description="the folder of pdf.js, with build/pdf.js in it (Debian: the package libjs-pdf)",
    )

    allowed_ports: Ports = Field((80, 443), description="port numbers from 1 to 65535, separated by commas")
    private_targets: Annotated[Words, AfterValidator(_exemptions)] = Field(
        (), description="hosts, host:ports, addresses or CIDRs, separated by commas"
    )
    allow_ignore_https_errors: bool = Field(default=False, description="true or false")
    log_format: Literal["json", "console"] = Field(
        default_factory=lambda: "console" if sys.stderr.isatty() else "json", description="json or console"
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="DEBUG, INFO, WARNING or ERROR")

    templates_dir: Path | None = Field(
        None, description="a folder of templates"
    )  # for SnapSharp's clients of the engine

    metrics_port: int | None = Field(None, ge=1, le=65535, description="a port from 1 to 65535")
    metrics_host: str = Field("127.0.0.1", description="an address to listen on")

    # OpenTelemetry's SDK reads these and its other variables by itself.
    otel_exporter_otlp_endpoint: Annotated[str, AfterValidator(_base_url)] | None = Field(
        None, description="the http:// or https:// URL of a receiver of OTLP over HTTP, such as http://127.0.0.1:4318"
    )
    otel_sdk_disabled: bool = Field(default=False, description="true or false")

    @cached_property
    def templates(self) -> cards.Templates:
        """The templates of cards, read once. Raises BrokenTemplate."""
        return cards.load([self.templates_dir] if self.templates_dir else [])

    @property
    def sends_traces(self) -> bool:
        return self.otel_exporter_otlp_endpoint is not None and not self.otel_sdk_disabled

    def guard(self) -> netguard.Guard:
        """Make the guard that judges targets by these settings."""
        return netguard.Guard(ports=frozenset(self.allowed_ports), exempt=netguard.exemptions(self.private_targets))


def load() -> EngineSettings:
    """Read the settings. Raises InvalidSettings, which names every invalid variable."""
    dotenv.load_dotenv(Path(".env"))
    _read_secret_file("ENGINE_API_KEY")
    _read_secret_file("OTEL_EXPORTER_OTLP_HEADERS")
    try:
        settings = EngineSettings()
    except ValidationError as err:
        # A default that is computed from an invalid value fails as well, and needs no message.
        wrong = [str(e["loc"][0]) for e in err.errors() if e["type"] != "default_factory_not_called"]
        raise InvalidSettings("\n".join(map(_describe, dict.fromkeys(wrong)))) from None
    try:
        _ = settings.templates
    except cards.BrokenTemplate as err:
        raise InvalidSettings(f"TEMPLATES_DIR is invalid: {err}") from None
    return settings


def unknown_variables() -> list[str]:
    """Warn about unknown `ENGINE_*` variables: with a mistyped name the default would apply silently."""
    known = {name.upper() for name in EngineSettings.model_fields} | {"ENGINE_API_KEY_FILE"}
    unknown = [name for name in os.environ if name.startswith("ENGINE_") and name not in known]
    return [f"{name} is not a setting of the engine{_suggest(name, known)}" for name in unknown]


def _describe(name: str) -> str:
    return f"{name.upper()} is invalid: set it to {EngineSettings.model_fields[name].description}"


def _read_secret_file(name: str) -> None:
    path = os.environ.get(f"{name}_FILE")
    if not path or os.environ.get(name):
        return
    try:
        os.environ[name] = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise InvalidSettings(f"{name}_FILE is invalid: set it to the path of a readable text file") from None


def _suggest(name: str, known: set[str]) -> str:
    nearest = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {nearest[0]}?" if nearest else ""
