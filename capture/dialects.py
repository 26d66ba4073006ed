"""How each screenshot API is spoken to: its options, key, envelopes and errors, as tables. No I/O, no `requests`.

From the published pages: https://snapsharp.dev/docs, https://hermesforge.dev, https://snapapi.pics/docs.html.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from types import MappingProxyType
from typing import Literal

from capture.outcomes import ENGINE_OUTCOMES, OUTCOMES, Envelope, Outcome
from errors import InvalidOption
from model import CaptureOptions

OPTIONS = [
    option for option in fields(CaptureOptions) if option.name not in {"url", "medium"}
]  # the format says "print"
MASTER_QUALITY = 90  # of a lossy master: high, as every rendition is encoded once more from it


@dataclass(frozen=True, slots=True)
class Param:
    """How one of our options is written for an API."""

    name: str
    default: object = None  # the API's own: such a value is not sent, so that a plan without the option still works
    limits: tuple[int, int] | None = None
    values: Mapping[object, object] | None = None  # ours → theirs, where only these few can be said
    write: Callable[[object], object] = lambda value: value


@dataclass(frozen=True, slots=True)
class Dialect:
    """One API's HTTP contract. `base_url` is its own address, used where `CAPTURE_URL` is not set."""

    name: str
    base_url: str
    path: str
    params: Mapping[str, Param]
    envelope: Envelope
    outcomes: Mapping[tuple[int, str], Outcome]
    method: Literal["GET", "POST"] = "GET"
    json_too: bool = False  # the same options may also be POSTed as JSON, for what no query can carry
    quality: str | None = None
    formats: tuple[str, ...] = ("png", "jpeg", "webp", "pdf")
    max_pixels: int | None = None  # of one picture
    best_effort: frozenset[str] = frozenset()  # improvements that may be left out where the API lacks them
    key_header: str = "X-API-Key"
    key_prefix: str = ""
    needs_key: bool = False
    priority: bool = False  # it knows RFC 9218's `Priority`, by which bulk work lets visitors go first
    health: str = "/health"

    def express(self, options: CaptureOptions, image_format: str) -> dict[str, object]:
        """Write the options in this dialect's names and values. Raises `InvalidOption` for what it cannot say."""
        if image_format not in self.formats:
            raise InvalidOption(f"{self.name} makes {_either(self.formats)}", field="format")
        sent: dict[str, object] = {"url": options.url, "format": image_format}
        if self.quality and image_format not in {"png", "pdf"}:
            sent[self.quality] = MASTER_QUALITY
        for option in OPTIONS:
            value = getattr(options, option.name)
            if param := self.params.get(option.name):
                sent |= _written(self.name, option.name, param, value)
            elif value != option.default and option.name not in self.best_effort:
                raise InvalidOption(f"{self.name}, the screenshot API in use, has no such option", field=option.name)
        if self.max_pixels and image_format != "pdf" and _pixels(options) > self.max_pixels:
            raise InvalidOption(
                f"{self.name}, the screenshot API in use, takes {self.max_pixels} pixels a picture", field="scale"
            )
        return sent


def _pixels(options: CaptureOptions) -> float:
    return options.width * options.height * options.scale**2


def _written(dialect: str, option: str, param: Param, value: object) -> dict[str, object]:
    if param.values is not None:
        if value not in param.values:
            raise InvalidOption(f"{dialect}, the screenshot API in use, takes {_either(param.values)}", field=option)
        value = param.values[value]
    if param.limits and isinstance(value, int | float) and not param.limits[0] <= value <= param.limits[1]:
        low, high = param.limits
        raise InvalidOption(f"{dialect}, the screenshot API in use, takes {low} to {high}", field=option)
    return {} if value == param.default else {param.name: param.write(value)}


def _either(values: Mapping[object, object] | tuple[str, ...]) -> str:
    *others, last = map(str, values)
    return f"{', '.join(others)} or {last}"


def _waits(*names: str) -> Mapping[object, object]:
    return {name: name for name in names}


WAIT_UNTIL = _waits("load", "domcontentloaded", "networkidle")

SNAPSHARP_PARAMS: Mapping[str, Param] = MappingProxyType(
    {
        "width": Param("width", limits=(320, 3840)),
        "height": Param("height", limits=(240, 2160)),
        "full_page": Param("full_page", default=False),
        "scale": Param("retina", default=False, values={1: False, 2: True}),
        "delay": Param("delay", default=0, limits=(0, 10_000)),
        "wait_until": Param("wait_until", default="load", values=WAIT_UNTIL),
        "wait_for": Param("wait_for"),
        "hide": Param("hide_selectors"),
        "block_ads": Param("block_ads", default=False),
        "block_cookie_banners": Param("block_cookie_banners", default=False),
        "dark_mode": Param("dark_mode", default=False),
    }
)

# Our own engine: SnapSharp's contract with what it lacks.
ENGINE_PARAMS: Mapping[str, Param] = MappingProxyType(
    {**SNAPSHARP_PARAMS, "scale": Param("scale", default=1, limits=(1, 3)), "selector": Param("selector")}
)

# Its pages give no limits of width and height, and two defaults of height: both are always sent.
HERMESFORGE_PARAMS: Mapping[str, Param] = MappingProxyType(
    {
        "width": Param("width"),
        "height": Param("height"),
        "full_page": Param("full_page", default=False),
        "delay": Param("delay", default=0, limits=(0, 5000)),
        "block_ads": Param("block_ads", default=False),
    }
)

SNAPAPI_PARAMS: Mapping[str, Param] = MappingProxyType(
    {
        "width": Param("width", limits=(100, 3840)),
        "height": Param("height", limits=(100, 2160)),
        "full_page": Param("fullPage", default=False),
        "scale": Param("deviceScaleFactor", default=1, limits=(1, 3)),
        "delay": Param("delay", default=0, limits=(0, 30_000)),
        "wait_until": Param("waitUntil", default="load", values=WAIT_UNTIL),
        "wait_for": Param("waitForSelector"),
        "selector": Param("selector"),
        # One item: a list of selectors is itself a selector, and to cut at its commas would break `:is(a, b)`.
        "hide": Param("hideSelectors", write=lambda selectors: [selectors]),
        "block_ads": Param("blockAds", default=False),
        "block_cookie_banners": Param("blockCookieBanners", default=False),
        "dark_mode": Param("darkMode", default=False),
    }
)

SNAPSHARP_ENVELOPE = Envelope(code=(("error",),), wait=(("retry_after",),))
ENGINE_ENVELOPE = replace(SNAPSHARP_ENVELOPE, page_status=(("page_status",),))

DIALECTS: Mapping[str, Dialect] = MappingProxyType(
    {
        "engine": Dialect(
            name="engine",
            base_url="http://127.0.0.1:8001",
            path="/v1/screenshot",
            params=ENGINE_PARAMS,
            json_too=True,
            max_pixels=64 << 20,
            priority=True,
            quality="quality",
            key_header="Authorization",
            key_prefix="Bearer ",
            envelope=ENGINE_ENVELOPE,
            outcomes={**OUTCOMES, **ENGINE_OUTCOMES},
        ),
        "snapsharp": Dialect(
            name="snapsharp",
            base_url="https://api.snapsharp.dev",
            path="/v1/screenshot",
            params=SNAPSHARP_PARAMS,
            json_too=True,
            quality="quality",
            key_header="Authorization",
            key_prefix="Bearer ",
            needs_key=True,
            envelope=SNAPSHARP_ENVELOPE,
            outcomes=OUTCOMES,
        ),
        "hermesforge": Dialect(
            name="hermesforge",
            base_url="https://hermesforge.dev",
            path="/api/screenshot",
            params=HERMESFORGE_PARAMS,
            envelope=Envelope(),
            outcomes=OUTCOMES,
            best_effort=frozenset({"block_cookie_banners"}),
            health="/",  # it documents no health page; its front page at least shows that it serves
        ),
        "snapapi": Dialect(
            name="snapapi",
            base_url="https://api.snapapi.pics",
            path="/v1/screenshot",
            params=SNAPAPI_PARAMS,
            method="POST",
            quality="quality",
            formats=("png", "jpeg", "webp", "avif", "pdf"),
            key_header="X-Api-Key",
            needs_key=True,
            # Two of its pages show a flat body, a third a nested one.
            envelope=Envelope(
                code=(("error", "code"), ("error",)),
                text=(("error", "message"), ("message",)),
                wait=(("error", "details", "retryAfter"), ("details", "retryAfter")),
            ),
            outcomes=OUTCOMES,
        ),
    }
)
