"""Messages of the service: see docs/webhooks.md of the service, and https://www.standardwebhooks.com."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from typing import Any

from thumbnail_client.errors import UnverifiedMessage

_MOST_SECONDS = 300  # that a message may be old, or its clock ahead


def verified(secret: str, headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    """Return the message that `body` (as received) holds, if the service has signed it. Raises UnverifiedMessage, and ValueError for a `secret` that is none.

    `secret` is `WEBHOOK_SECRET`. A message may come twice: `webhook-id` among the headers is the same then.
    """
    key = _key(secret)
    given = {name.lower(): value for name, value in headers.items()}
    id_, sent, signatures = (given.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature"))
    if not (sent.isascii() and sent.isdigit() and len(sent) < 20):
        raise UnverifiedMessage("the message has no time")
    if abs(time.time() - int(sent)) > _MOST_SECONDS:
        raise UnverifiedMessage("the message is more than five minutes old, or a clock is wrong")
    digest = hmac.new(key, f"{id_}.{sent}.".encode() + body, hashlib.sha256).digest()
    signature = b"v1," + base64.b64encode(digest)
    if not any(hmac.compare_digest(signature, each.encode()) for each in signatures.split()):
        raise UnverifiedMessage("the signature is not that of this secret")
    try:
        message = json.loads(body)
    except ValueError:
        raise UnverifiedMessage("the message is no JSON") from None
    if not isinstance(message, dict):
        raise UnverifiedMessage("the message is no object")
    return message


def _key(secret: str) -> bytes:
    """Decode a secret. An empty one would let everybody sign."""
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except ValueError:
        key = b""
    if not key:
        raise ValueError("secret: must be WEBHOOK_SECRET: base64, perhaps after whsec_")
    return key
