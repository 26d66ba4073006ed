"""The frozen values that travel between the steps, and the two keys that name a picture."""

import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlsplit

_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)
SUSPECT_SECONDS = 60  # the life of a picture that may be a bad one
SCHEMA = 1  # part of every key: raise it when the meaning of an option changes


@dataclass(frozen=True, slots=True)
class CaptureOptions:
    """What the browser sees. Lengths in CSS pixels, `delay` in milliseconds after load."""

    url: str
    width: int = 1280
    height: int = 720
    full_page: bool = False
    scale: float = 1.0
    delay: int = 0
    wait_until: str = "load"
    wait_for: str | None = None
    selector: str | None = None
    hide: str | None = None
    block_ads: bool = True
    block_cookie_banners: bool = True
    dark_mode: bool = False
    medium: str = "screen"  # or "print", which makes a PDF


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
    wait: int | None = None
    expires: int | None = None  # Unix time after which a signed request is refused
    negotiated: bool = False  # the format follows from `Accept`
    background: bool = False  # nobody waits: visitors' captures go first


@dataclass(frozen=True, slots=True)
class Key:
    """A cache key: 256 bits of hash, and the canonical text it stands for, compared on reading."""

    digest: str
    canonical: str


@dataclass(frozen=True, slots=True)
class ThumbnailRequest:
    """A validated wish: what to capture, how to hand it out, how to deliver it."""

    capture: CaptureOptions
    rendition: Rendition = field(default_factory=Rendition)
    delivery: Delivery = field(default_factory=Delivery)
    capture_key: Key = field(init=False, compare=False)
    rendition_key: Key = field(init=False, compare=False)
    host: str = field(init=False, compare=False)
    host_name: str = field(init=False, compare=False)

    def __post_init__(self) -> None:
        master = {"schema": SCHEMA, "capture": _told(self.capture)}
        target = urlsplit(self.capture.url)
        object.__setattr__(self, "host", target.netloc)
        object.__setattr__(self, "host_name", target.hostname or "")
        object.__setattr__(self, "capture_key", _key("master", master))
        object.__setattr__(self, "rendition_key", _key("rendition", master | {"rendition": _told(self.rendition)}))


@dataclass(frozen=True, slots=True)
class Picture:
    """Bytes that decoded as `content_type`, `width` × `height` pixels (0 × 0 for a PDF), captured at `captured_at` (UTC).

    `suspect` marks a capture that may be a bad one (blank, or of another size): it lives for SUSPECT_SECONDS only,
    is then shown to nobody, and is not for shared caches.
    """

    body: bytes
    content_type: str
    width: int
    height: int
    captured_at: datetime
    etag: str = ""
    suspect: bool = False

    def __post_init__(self) -> None:
        if not self.etag:
            object.__setattr__(self, "etag", hashlib.sha256(self.body).hexdigest()[:32])


def _told(options: CaptureOptions | Rendition) -> dict[str, object]:
    """What `asdict` gives for a class without depth, in a tenth of the time: each new query pays for it."""
    return {name: getattr(options, name) for name in options.__slots__}


def _key(kind: str, options: dict[str, object]) -> Key:
    canonical = _CANONICAL.encode({"kind": kind} | options)
    return Key(hashlib.sha256(canonical.encode()).hexdigest(), canonical)
