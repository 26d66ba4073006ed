"""Who may ask for what: API keys, signed URLs, allowed targets and sizes. All off until set; pure, knows no HTTP."""

import hashlib
import hmac
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import parse_qsl

from errors import BadKey, BadSignature, ExpiredSignature, ForbiddenHost, InvalidOption, KeyRequired
from model import Rendition, ThumbnailRequest

Size = tuple[int | None, int | None]

# One signature serves a whole `srcset`: these say how a picture is handed out, not which.
UNSIGNED = frozenset({"sig", "w", "h", "fit", "format", "quality", "wait"})
PRINTED = ("format", "pdf")  # but this: the whole document printed is another capture, of any length


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A caller we know: `name` for limits and logs, `limit` where this key has a capture budget of its own."""

    name: str
    secret: str = field(repr=False)
    limit: str | None = None

    @classmethod
    def parse(cls, entry: str) -> Self:
        """Read `name:secret` or `name:secret:300/minute`, as the settings have checked it."""
        name, secret, *limit = entry.split(":", 2)
        return cls(name, secret, limit[0] if limit else None)


@dataclass(frozen=True, slots=True)
class Access:
    """The rules of one installation. `sizes` is the ladder of output sizes."""

    keys: tuple[ApiKey, ...] = ()
    signing_keys: tuple[str, ...] = field(default=(), repr=False)
    targets: tuple[str, ...] = ()
    sizes: frozenset[Size] = frozenset()

    def check_public(self, query: bytes, wanted: ThumbnailRequest) -> None:
        """Raise whatever speaks against a request for a picture, whoever makes it."""
        self.check_signature(query, wanted.delivery.expires)
        self.check_size(wanted.rendition)
        self.check_target(wanted.host_name)

    def identify(self, authorization: str | None, api_key: str | None) -> ApiKey | None:
        """Find the key that a caller shows, if any. Raises BadKey for one that is none of ours."""
        shown = api_key or _bearer(authorization)
        if not self.keys or not shown:
            return None
        # Every key is compared, hashed to one length: the time taken tells nothing of which was nearly right.
        matches = [key for key in self.keys if hmac.compare_digest(_digest(key.secret), _digest(shown))]
        if not matches:
            raise BadKey("the API key is not known")
        return matches[0]

    def require_key(self, key: ApiKey | None, what: str) -> None:
        """Raise KeyRequired if `what` is for known callers and this one is not known.

        Where URLs must be signed, what has no signature is for known callers even if no key is set.
        """
        if (self.keys or self.signing_keys) and key is None:
            raise KeyRequired(f"{what} needs an API key; send `Authorization: Bearer <key>` or `X-API-Key`")

    def check_target(self, host: str) -> None:
        """Raise ForbiddenHost unless `host` (without port) matches one of the allowed targets."""
        if self.targets and not any(_matches(pattern, host) for pattern in self.targets):
            raise ForbiddenHost("this service does not capture this host", field="url")

    def check_size(self, rendition: Rendition) -> None:
        """Raise InvalidOption for a size that is not on the ladder."""
        asked = rendition.w, rendition.h
        if self.sizes and asked != (None, None) and asked not in self.sizes:
            ladder = ", ".join(sorted((_size(w, h) for w, h in self.sizes), key=lambda text: (len(text), text)))
            raise InvalidOption(f"must be one of {ladder}", field="w, h")

    def check_signature(self, query: bytes, expires: int | None) -> None:
        """Raise BadSignature or ExpiredSignature unless `query` was signed with one of the keys."""
        if not self.signing_keys:
            return
        pairs = parse_qsl(query.decode("ascii", "replace"), keep_blank_values=True)
        shown = dict(pairs).get("sig", "")
        valid = [hmac.compare_digest(sign(key, pairs).encode(), shown.encode()) for key in self.signing_keys]
        if not any(valid):
            raise BadSignature("is missing or does not belong to these options", field="sig")
        if expires is not None and expires < time.time():
            raise ExpiredSignature("the signature is no longer valid", field="expires")


def sign(key: str, options: Iterable[tuple[str, str]]) -> str:
    """Give the signature of a query's decoded `options`: HMAC-SHA256, in hex, of their sorted `name=value` lines.

    Raises BadSignature for a value with a line break, which could pass for another option.
    """
    signed = [pair for pair in options if pair[0] not in UNSIGNED or pair == PRINTED]
    lines = sorted(f"{name}={value}" for name, value in signed)
    if any("\n" in line for line in lines):
        raise BadSignature("a signed option must not hold a line break")
    return hmac.new(key.encode(), "\n".join(lines).encode(), hashlib.sha256).hexdigest()


def parse_size(entry: str) -> Size:
    """Read `320`, `320x180` or `x180`, as the settings have checked it; None for a side that is left open."""
    width, _, height = entry.partition("x")
    return int(width) if width else None, int(height) if height else None


def _size(width: int | None, height: int | None) -> str:
    return f"{width or ''}x{height}" if height else str(width)


def _bearer(authorization: str | None) -> str:
    scheme, _, token = (authorization or "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode(errors="surrogateescape")).digest()


def _matches(pattern: str, host: str) -> bool:
    if pattern.startswith("*."):
        return host.endswith(pattern[1:])
    return host == pattern
