"""The key of the admin pages: log-in by the key itself, or by a link with a token. Knows no HTTP and keeps nothing."""

import hashlib
import hmac
import secrets
from functools import lru_cache

from itsdangerous import BadData, URLSafeTimedSerializer

LINK_SECONDS = 12 * 3600  # how long a link may lie in a terminal before it is used


class AdminKey:
    """Judges what somebody sends to log in."""

    def __init__(self, key: str) -> None:
        self._key = key
        self.session_secret = _derived(key)
        self._links = URLSafeTimedSerializer(self.session_secret, salt="log-in link")

    def matches(self, sent: str) -> bool:
        """Return whether `sent` is the key. The time taken reveals nothing about it."""
        return hmac.compare_digest(_digest(self._key), _digest(sent))

    def new_link_token(self) -> str:
        """Return a token that opens the admin pages until LINK_SECONDS have passed. Only the opener knows if it was used."""
        return self._links.dumps(secrets.token_urlsafe(16))

    def read_link_token(self, token: str) -> str | None:
        """Return what tells the token from others, None if it was not made with this key or is too old."""
        try:
            return str(self._links.loads(token, max_age=LINK_SECONDS))
        except BadData:
            return None


@lru_cache(maxsize=4)
def _derived(key: str) -> str:
    """Return the secret that signs cookies: the same in all workers and after a restart, and another with another key.

    Any visitor of the log-in page holds a cookie that is signed with it. So to try keys on that must be slow.
    """
    return hashlib.scrypt(key.encode(), salt=b"thumbnails: admin sessions", n=2**14, r=8, p=1).hex()


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode(errors="surrogateescape")).digest()
