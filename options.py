"""The options as callers write them: their names, defaults and valid values, each with the words that tell it."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

LONGEST_TTL = 2592000  # seconds
LONGEST_WAIT = 120  # seconds
MAX_BATCH = 100

_BOOLEANS = dict.fromkeys(("true", "1", "yes", "on", ""), True) | dict.fromkeys(("false", "0", "no", "off"), False)


def _boolean(value: object) -> object:
    return _BOOLEANS.get(value.lower(), value) if isinstance(value, str) else value


Boolean = Annotated[bool, BeforeValidator(_boolean)]
_BOOLEAN = "true or false"


def _whole(default: int | None, low: int, high: int, unit: str = "") -> Any:
    return Field(default, ge=low, le=high, description=f"a whole number{unit} from {low} to {high}")


def _selector(longest: int) -> Any:
    # Only the browser can tell a selector; what cannot be one is refused here, before it costs a capture.
    visible = r"^[^\x00-\x1f\x7f]*[^\x00-\x20\x7f][^\x00-\x1f\x7f]*$"
    return Field(
        None,
        min_length=1,
        max_length=longest,
        pattern=visible,
        description=f"a CSS selector of 1 to {longest} characters",
    )


class Options(BaseModel):
    """The options as a caller writes them; `None` stands for "not given"."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str = Field(description="an absolute http:// or https:// URL")
    width: int = _whole(1280, 320, 3840, " of CSS pixels")
    height: int = _whole(720, 240, 2160, " of CSS pixels")
    full_page: Boolean = Field(default=False, description=_BOOLEAN)
    scale: float = Field(1.0, ge=1, le=3, description="a number from 1 to 3")
    delay: int = _whole(0, 0, 10000, " of milliseconds")
    wait_until: Literal["load", "domcontentloaded", "networkidle"] = Field(
        "load", description="load, domcontentloaded or networkidle"
    )
    wait_for: str | None = _selector(256)
    selector: str | None = _selector(256)
    hide: str | None = _selector(1024)
    block_ads: Boolean | None = Field(None, description=_BOOLEAN)
    block_cookie_banners: Boolean | None = Field(None, description=_BOOLEAN)
    dark_mode: Boolean = Field(default=False, description=_BOOLEAN)

    w: int | None = _whole(None, 16, 3840, " of pixels")
    h: int | None = _whole(None, 16, 3840, " of pixels")
    fit: Literal["cover", "contain", "inside"] = Field("cover", description="cover, contain or inside")
    format: Literal["png", "webp", "jpeg", "avif", "auto", "pdf"] = Field(
        "png", description="png, webp, jpeg, avif, auto or pdf"
    )
    quality: int = _whole(80, 1, 100)

    ttl: int | None = _whole(None, 60, LONGEST_TTL, " of seconds")
    fresh: Boolean = Field(default=False, description=_BOOLEAN)
    wait: int | None = _whole(None, 0, LONGEST_WAIT, " of seconds")
    expires: int | None = Field(None, ge=0, description="a Unix time in seconds")
    sig: str | None = Field(None, description="a signature")


class BodyOptions(Options):
    """The same in a JSON body, with which no `Accept` of a picture comes."""

    format: Literal["png", "webp", "jpeg", "avif", "pdf"] = Field("png", description="png, webp, jpeg, avif or pdf")


class JobOptions(BaseModel):
    """What `/screenshots` takes besides the options of a thumbnail."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    urls: Annotated[list[str], Field(min_length=1, max_length=MAX_BATCH)] | None = Field(
        None, description=f"a list of 1 to {MAX_BATCH} absolute http:// or https:// URLs"
    )
    webhook_url: str | None = Field(None, description="an absolute https:// URL")
    persist: Boolean = Field(default=False, description=_BOOLEAN)
