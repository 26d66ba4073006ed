"""The frozen values that travel between the steps, and the two keys that name a picture."""

import hashlib
import json
from dataclasses import dataclass, field, replace
from datetime import datetime

from options import NO_NOTES, PRIVATE, CaptureOptions, Delivery, Notes, PageMetadata, Rendition, Target, chosen

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

    A request with private options, such as cookies, is for the caller who sent it, its `owner`, alone. Owner and private
    options are part of the keys, as a hash, so no other caller is served the picture, from whatever tier. Requests without
    private options have no owner.
    """

    capture: CaptureOptions
    rendition: Rendition = field(default_factory=Rendition)
    delivery: Delivery = field(default_factory=Delivery)
    owner: str = ""
    private: bool = field(init=False, compare=False)
    capture_key: Key = field(init=False, compare=False)
    rendition_key: Key = field(init=False, compare=False)

    def __post_init__(self) -> None:
        options = chosen(self.capture)
        private = {name: options.pop(name) for name in PRIVATE if name in options}
        object.__setattr__(self, "private", bool(private))
        capture: dict[str, object] = {"schema": SCHEMA, "capture": options}
        if private:
            # Keys are stored beside pictures and failures, so they must not show a secret.
            capture["private"] = _digest(_CANONICAL.encode({"owner": self.owner} | private))
        object.__setattr__(self, "capture_key", _key("original", capture))
        object.__setattr__(self, "rendition_key", _key("rendition", capture | {"rendition": chosen(self.rendition)}))

    @property
    def target(self) -> Target:
        return self.capture.target

    def owned_by(self, caller: str) -> "ThumbnailRequest":
        """Return the request as the caller's own if it is private, else unchanged."""
        return replace(self, owner=caller) if self.private else self


@dataclass(frozen=True, slots=True)
class Picture:
    """Bytes that decoded as `content_type`, `width` × `height` pixels (0 × 0 for a PDF), captured at `captured_at` (UTC).

    `suspect` marks a capture that may be bad (blank, unfinished or of another size). It expires after a minute, is never
    shown as stale, and must not be kept by shared caches. `notes` are the screenshot API's. An original has what its `page`
    says of itself, None where that was not read. `captured_by` names the screenshot API that took it, if one did. It may have its `pixels` too, packed by images.pixels: renditions are made
    from them sooner than from `body`.
    """

    body: bytes
    content_type: str
    width: int
    height: int
    captured_at: datetime
    etag: str = ""
    suspect: bool = False
    notes: Notes = NO_NOTES
    page: PageMetadata | None = None
    captured_by: str = ""
    pixels: bytes | memoryview = field(default=b"", compare=False, repr=False)

    def __post_init__(self) -> None:
        if not self.etag:
            object.__setattr__(self, "etag", hashlib.sha256(self.body).hexdigest()[:32])


def _key(kind: str, options: dict[str, object]) -> Key:
    canonical = _CANONICAL.encode({"kind": kind} | options)
    return Key(_digest(canonical), canonical)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
