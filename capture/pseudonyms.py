"""Pseudonyms of clients: the engine tells clients apart by them, and learns nothing about their addresses or keys.

All processes of an installation share the secret, so that a client has one name. It is replaced each day.
"""

import hashlib
import hmac
import secrets
import time

from coordination import StateRedis

SECRET_SECONDS = 86400
_TRUST_SECONDS = 600  # how long a process uses the secret without asking Redis


class Pseudonyms:
    def __init__(self, state: StateRedis) -> None:
        self._state = state
        self._secret = secrets.token_bytes(32)  # of this process alone, while Redis cannot be reached
        self._asked = float("-inf")

    def of(self, client: str) -> str:
        """Return the pseudonym of `client`, 32 hexadecimal digits. The empty name, of no client, stays empty."""
        if not client:
            return ""
        if time.monotonic() > self._asked + _TRUST_SECONDS:
            self._share_secret()
        return hmac.new(self._secret, client.encode(), hashlib.sha256).hexdigest()[:32]

    def _share_secret(self) -> None:
        """Take the secret that is in Redis, or put this process's own there."""
        own = secrets.token_bytes(32)
        name = self._state.keys.client_secret()
        known, reachable = self._state.breaker.call(
            "pseudonyms_unshared", lambda: self._state.client.set(name, own, nx=True, ex=SECRET_SECONDS, get=True)
        )
        if reachable:
            self._secret = known if isinstance(known, bytes) else own
            self._asked = time.monotonic()
