"""API keys: callers that the operator knows by name."""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

from errors import BadKey


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A known caller: `name` for limits and logs, `limit` where the key has a capture budget of its own."""

    name: str
    secret: str = field(repr=False)
    limit: str | None = None

    @classmethod
    def parse(cls, entry: str) -> Self:
        """Read `name:secret` or `name:secret:300/minute`, which the settings have checked."""
        name, secret, *limit = entry.split(":", 2)
        return cls(name, secret, limit[0] if limit else None)


def find_key(keys: Sequence[ApiKey], authorization: str | None, api_key: str | None) -> ApiKey | None:
    """Find the key that a caller sent in `Authorization: Bearer` or `X-API-Key`, if any. Raises BadKey."""
    sent = api_key or _bearer(authorization)
    if not keys or not sent:
        return None
    # All keys are compared, as hashes of one length, so that the time taken reveals nothing about them.
    matches = [key for key in keys if hmac.compare_digest(_digest(key.secret), _digest(sent))]
    if not matches:
        raise BadKey("the API key is unknown; check `Authorization` and `X-API-Key`")
    return matches[0]


def _bearer(authorization: str | None) -> str:
    scheme, _, token = (authorization or "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode(errors="surrogateescape")).digest()
