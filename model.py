"""The frozen values that travel between the steps, and the two keys that name a picture."""

import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime

from options import NO_NOTES, CaptureOptions, Delivery, Notes, Rendition, Target, chosen

_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)
# Part of every key. Raise it when the meaning or the default of an option changes: keys leave defaults out, so an old
# picture would otherwise be served for the new meaning.
SCHEMA = 3


@dataclass(frozen=True, slots=True)
class Key:
    """A cache key: a hash of 256 bits, and the canonical text that was hashed. Readers compare the text."""

    digest: str
    canonical: str


@dataclass(frozen=True, slots=True)
class ThumbnailRequest:
    """A validated request: what to capture, in which rendition, and how to deliver it.

    Its keys leave defaults out, so that a new option changes no key of a request that does not use it.
    """

    capture: CaptureOptions
    rendition: Rendition = field(default_factory=Rendition)
    delivery: Delivery = field(default_factory=Delivery)
    capture_key: Key = field(init=False, compare=False)
    rendition_key: Key = field(init=False, compare=False)

    def __post_init__(self) -> None:
        capture = {"schema": SCHEMA, "capture": chosen(self.capture)}
        object.__setattr__(self, "capture_key", _key("original", capture))
        object.__setattr__(self, "rendition_key", _key("rendition", capture | {"rendition": chosen(self.rendition)}))

    @property
    def target(self) -> Target:
        return self.capture.target


@dataclass(frozen=True, slots=True)
class Picture:
    """Bytes that decoded as `content_type`, `width` × `height` pixels (0 × 0 for a PDF), captured at `captured_at` (UTC).

    `suspect` marks a capture that may be bad (blank, unfinished or of another size). It expires after a minute, is never
    shown as stale, and must not be kept by shared caches. `notes` are the screenshot API's.
    """

    body: bytes
    content_type: str
    width: int
    height: int
    captured_at: datetime
    etag: str = ""
    suspect: bool = False
    notes: Notes = NO_NOTES

    def __post_init__(self) -> None:
        if not self.etag:
            object.__setattr__(self, "etag", hashlib.sha256(self.body).hexdigest()[:32])


def _key(kind: str, options: dict[str, object]) -> Key:
    canonical = _CANONICAL.encode({"kind": kind} | options)
    return Key(hashlib.sha256(canonical.encode()).hexdigest(), canonical)
