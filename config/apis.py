"""Which screenshot APIs take the captures, in order of preference, with their addresses, keys, prices and limits."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_core import PydanticCustomError

from config.access import WITH_REASON
from config.fields import APIS, ApiPrices, ApiRates, Apis, BaseURL, BaseURLs, Price, SettingsPart

ENGINE = "engine"
_NEED_KEY = ("snapsharp", "snapapi")


@dataclass(frozen=True, slots=True)
class ApiAccess:
    """How to reach one screenshot API: its name, its addresses (none for its own), its key, and what a call costs."""

    name: str
    urls: tuple[str, ...]
    key: str | None
    price: Decimal
    bulk_limit: str


class ApiSettings(SettingsPart):
    capture_api: Apis = Field(
        (ENGINE,), description="engine, snapsharp, hermesforge or snapapi, or several of them in order of preference"
    )
    capture_url: BaseURLs = Field(
        (), description="the http:// or https:// base URL of the screenshot API, or those of several engines"
    )
    engine_url: BaseURL | None = Field(
        None, description="the http:// or https:// base URL of our own engine, where CAPTURE_URL names none"
    )
    capture_api_key: SecretStr | None = Field(
        None, description="the screenshot API's key, which SnapSharp and SnapAPI require"
    )
    snapsharp_api_key: SecretStr | None = Field(None, description="a SnapSharp key")
    snapsharp_url: BaseURL | None = Field(None, description="the http:// or https:// base URL of SnapSharp")
    snapapi_api_key: SecretStr | None = Field(None, description="a SnapAPI key")
    snapapi_url: BaseURL | None = Field(None, description="the http:// or https:// base URL of SnapAPI")
    hermesforge_api_key: SecretStr | None = Field(None, description="a Hermesforge key")
    hermesforge_url: BaseURL | None = Field(None, description="the http:// or https:// base URL of Hermesforge")
    capture_cost: ApiPrices = Field(
        {}, description="prices of one call for APIs that CAPTURE_API names, such as engine:0,snapsharp:0.004"
    )
    capture_cost_limit: Price | None = Field(
        None, description="the most that captures may cost in a day, such as 5, with CAPTURE_COST"
    )
    bulk_limit: ApiRates = Field(
        {"": "120 per minute"},
        description="a rate such as 30 per minute, for each screenshot API, or to rates by API such as "
        "engine:240 per minute, snapsharp:30 per minute",
    )

    @model_validator(mode="before")
    @classmethod
    def _default_to_snapsharp(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Choose SnapSharp if its key is set and no API is named, as the tutorials of SnapSharp do."""
        if values.get("snapsharp_api_key") and not values.get("capture_api"):
            values["capture_api"] = "snapsharp"
        return values

    @model_validator(mode="after")
    def _require_one_meaning(self) -> Self:
        """Refuse an address or a key of which it is not clear whose it is, and one that would be ignored."""
        names = self.capture_api
        if len(self.capture_url) > 1 and ENGINE not in names:
            _refuse("CAPTURE_URL", f"several addresses are for engines; {names[0]} has one")
        if self._owner is None:
            for variable, value in (("CAPTURE_URL", self.capture_url), ("CAPTURE_API_KEY", self.capture_api_key)):
                if value:
                    part = variable.removeprefix("CAPTURE_")
                    _refuse(
                        variable, f"it is the engine's, which CAPTURE_API lacks; set {names[0].upper()}_{part} instead"
                    )
        elif self._owner != ENGINE:
            own_url = getattr(self, f"{self._owner}_url")
            if own_url and self.capture_url and own_url != self.capture_url[0]:
                _refuse("CAPTURE_URL", f"{self._owner.upper()}_URL is another address; set one of the two")
        return self

    @model_validator(mode="after")
    def _require_keys(self) -> Self:
        for name in self.capture_api:
            if name in _NEED_KEY and self._key(name) is None:
                if self._owner == name:
                    raise PydanticCustomError("capture_api_key", "a key is needed")
                raise PydanticCustomError(f"{name}_api_key", "a key is needed")
        return self

    @model_validator(mode="after")
    def _require_known_apis(self) -> Self:
        """Refuse a price or a rate of an API that takes no captures: perhaps it is a typo of one that does."""
        for variable, given in (("CAPTURE_COST", self.capture_cost), ("BULK_LIMIT", self.bulk_limit)):
            strangers = [name for name in given if name and name not in self.capture_api]
            if strangers:
                _refuse(variable, f"CAPTURE_API does not name {strangers[0]}; leave it out, or add it there")
        if self.capture_cost_limit is not None and not any(self.capture_cost.values()):
            _refuse("CAPTURE_COST_LIMIT", "no capture costs anything; set CAPTURE_COST too")
        return self

    @property
    def apis(self) -> tuple[ApiAccess, ...]:
        """The screenshot APIs in order of preference."""
        usual = self.bulk_limit.get("", "120 per minute")
        return tuple(
            ApiAccess(
                name,
                self._urls(name),
                self._key(name),
                self.capture_cost.get(name, Decimal(0)),
                self.bulk_limit.get(name, usual),
            )
            for name in self.capture_api
        )

    @property
    def _owner(self) -> str | None:
        """The API that CAPTURE_URL and CAPTURE_API_KEY are of: the engine, or else the only one."""
        if ENGINE in self.capture_api:
            return ENGINE
        return self.capture_api[0] if len(self.capture_api) == 1 else None

    def _urls(self, name: str) -> tuple[str, ...]:
        own = (getattr(self, f"{name}_url"),) if getattr(self, f"{name}_url") else ()
        given = self.capture_url if name == self._owner else ()
        return given or own if name == ENGINE else own or given

    def _key(self, name: str) -> str | None:
        own = None if name == ENGINE else getattr(self, f"{name}_api_key")
        key = (self.capture_api_key if name == self._owner else None) or own
        return key.get_secret_value() if key else None


def without_captures(settings: ApiSettings) -> Mapping[str, str]:
    """Return the variables of hosted APIs that are set although CAPTURE_API does not name the API, each with its name."""
    values = {
        f"{api.upper()}_{part}": (api, getattr(settings, f"{api}_{part.lower()}"))
        for api in APIS
        if api != ENGINE and api not in settings.capture_api
        for part in ("URL", "API_KEY")
    }
    return {variable: api for variable, (api, value) in values.items() if value}


def _refuse(variable: str, reason: str) -> None:
    raise PydanticCustomError(WITH_REASON, "{variable} is invalid: {reason}", {"variable": variable, "reason": reason})
