"""The types of settings, with the rules that their values keep. A setting's description completes "set it to …"."""

import base64
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import limits
from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

import netguard
import redis_urls
from options import OUTPUT_SIDE


class SettingsPart(BaseSettings):
    """Settings of one subject: each field is a variable."""

    model_config = SettingsConfigDict(frozen=True, env_ignore_empty=True, extra="ignore", str_strip_whitespace=True)


def _split(value: object) -> object:
    return value.replace(",", " ").split() if isinstance(value, str) else value


def _sizes(value: object) -> object:
    return () if value == "any" else _split(value)


def _size(entry: str) -> str:
    width, cross, height = entry.partition("x")
    sides = [width] * bool(width) + [height] * bool(cross)
    if not sides or any(not side.isdecimal() or OUTPUT_SIDE.guess(side) is None for side in sides):
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


def _host_and_port(value: object) -> object:
    if not isinstance(value, str):
        return value
    host, _, port = value.rpartition(":")
    if not host or not port.isascii() or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError(value)
    return host.removeprefix("[").removesuffix("]"), int(port)


def _exemptions(entries: tuple[str, ...]) -> tuple[str, ...]:
    netguard.exemptions(entries)
    return entries


def _webhook_secret(value: str) -> str:
    if not 24 <= len(base64.b64decode(value.removeprefix("whsec_"), validate=True)) <= 64:
        raise ValueError
    return value


def _apis(names: tuple[str, ...]) -> tuple[str, ...]:
    if not names or len(set(names)) < len(names) or not set(names) <= set(APIS):
        raise ValueError
    return names


def _by_api(value: object) -> object:
    """Split `engine:0,snapsharp:1` into a mapping. A text without names of APIs is everybody's, under ""."""
    if not isinstance(value, str):
        return value
    if ":" not in value:
        return {"": value}
    pairs = [entry.partition(":") for entry in value.split(",")]
    found = {name.strip().lower(): text.strip() for name, _, text in pairs}
    if len(found) < len(pairs):
        raise ValueError
    return found


def _prices(given: dict[str, Decimal]) -> dict[str, Decimal]:
    if not set(given) <= set(APIS):
        raise ValueError
    return given


def _api_rates(given: dict[str, str]) -> dict[str, str]:
    if not set(given) <= {*APIS, ""}:
        raise ValueError
    return {name: _rate(text) for name, text in given.items()}


@dataclass(frozen=True, slots=True)
class TargetRate:
    """How often one host is captured: pages at a time, 0 for any number, and rates, "" for none."""

    at_once: int = 0
    rates: str = ""


def _target_rate(value: object) -> object:
    if not isinstance(value, str):
        return value
    at_once, rates = 0, []
    for part in re.split(r"[;,]", value):
        if found := re.fullmatch(r"\s*([0-9]{1,4})\s+at\s+a\s+time\s*", part.lower()):
            if at_once or not 0 < int(found[1]) <= 1000:
                raise ValueError(value)
            at_once = int(found[1])
        else:
            rates.append(part.strip())
    text = "; ".join(rates)
    if text and any(rate.amount < 1 for rate in limits.parse_many(text)):
        raise ValueError(value)
    return TargetRate(at_once, text)


def _names(value: object) -> object:
    return _split(value.lower()) if isinstance(value, str) else value


def _dialects(names: tuple[str, ...]) -> tuple[str, ...]:
    if not set(names) <= set(DIALECTS):
        raise ValueError
    return tuple(dict.fromkeys(names))


def _key_rates(entries: tuple[str, ...]) -> tuple[str, ...]:
    for entry in entries:
        _rate(entry.split(":", 2)[2] if entry.count(":") > 1 else "1/minute")
    return entries


# The headers in which proxies name the person who has logged in. deploy/nginx.conf removes each of them from what visitors
# send. A header that it does not know would let any visitor in.
TrustedHeader = Literal[
    "X-Forwarded-User", "X-Forwarded-Email", "X-Auth-Request-User", "X-Auth-Request-Email", "Remote-User"
]
# The widths of a `srcset`, alone or with the height for 16:9, and the size of link previews.
_WIDTHS = (160, 240, 320, 480, 640, 800, 960, 1200, 1280, 1600, 1920)
LADDER = (*map(str, _WIDTHS), *(f"{width}x{width * 9 // 16}" for width in _WIDTHS), "1200x630")
# Other services whose addresses work here. Those of the first line have neither key nor signature: anybody may use them.
OPEN_DIALECTS = ("mshots", "thumio", "microlink", "11ty", "sshot", "pagepeeker")
DIALECTS = (
    *OPEN_DIALECTS, "screenshotone", "urlbox", "snapsharp", "hermesforge", "snapapi", "apiflash", "screenshotapi",
)  # fmt: skip
APIS = ("engine", "snapsharp", "hermesforge", "snapapi")
Rate = Annotated[str, AfterValidator(_rate), Field(description="a rate such as 30 per minute")]
HostAndPort = Annotated[tuple[str, int], NoDecode, BeforeValidator(_host_and_port)]
BaseURL = Annotated[str, AfterValidator(_base_url)]
BaseURLs = Annotated[tuple[BaseURL, ...], NoDecode, BeforeValidator(_split)]
Apis = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_names), AfterValidator(_apis)]
TargetLimit = Annotated[TargetRate, NoDecode, BeforeValidator(_target_rate)]
Price = Annotated[Decimal, Field(ge=0, le=1_000_000, decimal_places=6)]
ApiPrices = Annotated[dict[str, Price], NoDecode, BeforeValidator(_by_api), AfterValidator(_prices)]
ApiRates = Annotated[dict[str, str], NoDecode, BeforeValidator(_by_api), AfterValidator(_api_rates)]
RedisURL = Annotated[str, AfterValidator(redis_urls.checked), Field(description=redis_urls.FORMS)]
DatabaseURL = Annotated[
    str, Field(pattern=r"^(sqlite:///[^?#\s]+|postgres(ql)?://\S+)$"), AfterValidator(_database_url)
]
_ApiKey = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,40}:[^:]{8,}(:.+)?$")]
_SigningKey = Annotated[str, Field(min_length=16)]
_WebhookSecret = Annotated[str, Field(pattern=r"^whsec_"), AfterValidator(_webhook_secret)]
_Size = Annotated[str, AfterValidator(_size)]
_Origin = Annotated[str, Field(pattern=r"^https?://[a-z0-9.-]+(:[0-9]+)?$")]
_HostPattern = Annotated[str, BeforeValidator(str.lower), Field(pattern=r"^(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*$")]
_PagePattern = Annotated[str, Field(pattern=r"^(\*\.)?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*(/[^\s*#\\]*)?\*?$")]
_Port = Annotated[int, Field(ge=1, le=65535)]
# Several values, separated by commas or blanks.
ApiKeys = Annotated[tuple[_ApiKey, ...], NoDecode, BeforeValidator(_split), AfterValidator(_key_rates)]
SigningKeys = Annotated[tuple[_SigningKey, ...], NoDecode, BeforeValidator(_split)]
WebhookSecrets = Annotated[tuple[_WebhookSecret, ...], NoDecode, BeforeValidator(_split)]
Sizes = Annotated[tuple[_Size, ...], NoDecode, BeforeValidator(_sizes)]
Origins = Annotated[tuple[_Origin, ...], NoDecode, BeforeValidator(_split)]
HostPatterns = Annotated[tuple[_HostPattern, ...], NoDecode, BeforeValidator(_split)]
PagePatterns = Annotated[tuple[_PagePattern, ...], NoDecode, BeforeValidator(_split)]
Dialects = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_names), AfterValidator(_dialects)]
Exemptions = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split), AfterValidator(_exemptions)]
Ports = Annotated[tuple[_Port, ...], NoDecode, BeforeValidator(_split), Field(min_length=1)]


def seconds(default: float | None, low: int, high: int) -> Any:
    return Field(default, ge=low, le=high, description=f"a number of seconds from {low} to {high}")
