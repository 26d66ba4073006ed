"""The frozen values that travel between the steps, and the two keys that name a picture."""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime

SCHEMA = 1  # part of every key: raise it when the meaning of an option changes


@dataclass(frozen=True, slots=True)
class CaptureOptions:
    """What the browser sees. Lengths in CSS pixels, `delay` in milliseconds after load."""

    url: str
    width: int = 1280
    height: int = 720
    full_page: bool = False
    scale: float = 1
    delay: int = 0
    wait_until: str = "load"
    wait_for: str | None = None
    selector: str | None = None
    hide: str | None = None
    block_ads: bool = True
    block_cookie_banners: bool = True
    dark_mode: bool = False


@dataclass(frozen=True, slots=True)
class Rendition:
    """How a captured picture is handed out. `w` and `h` in output pixels, `None` for the capture's own."""

    w: int | None = None
    h: int | None = None
    fit: str = "cover"
    format: str = "png"
    quality: int = 80


@dataclass(frozen=True, slots=True)
class Delivery:
    """Wishes that belong to neither key. `ttl` and `wait` in seconds; `None` for the setting's value."""

    ttl: int | None = None
    fresh: bool = False
    wait: float | None = None


@dataclass(frozen=True, slots=True)
class ThumbnailRequest:
    capture: CaptureOptions
    rendition: Rendition = field(default_factory=Rendition)
    delivery: Delivery = field(default_factory=Delivery)
