"""What callers of other services prove themselves by: keys and signatures, on this service's own keys.

An entry `name:secret` of API_KEYS is a pair of keys: `name` is the public one, and the secret one signs. Every key of
SIGNING_KEYS signs too, whatever the public key says.
"""

import hashlib
import hmac
import re
import time
from dataclasses import dataclass, field

from access import AccessRules, ApiKey
from errors import BadKey, BadSignature, KeyRequired

_EXPIRING = re.compile(r"([0-9]{10,16})-([0-9a-f]{32})")


@dataclass(frozen=True, slots=True)
class Credentials:
    """A caller's `key`, which may be a public or a secret one, and the `signature` of `signed`, in hex, if there is one.

    One that `covers_format` is of no other format.
    """

    key: str = field(default="", repr=False)
    signature: str = field(default="", repr=False)
    signed: str = field(default="", repr=False)
    covers_format: bool = True


@dataclass(frozen=True, slots=True)
class Proof:
    """Who the caller is, if that is known, and by what: a secret in the address, which no cache should keep, or a signature."""

    key: ApiKey | None = None
    by_secret: bool = False
    signed: bool = False


def prove(access: AccessRules, sent: Credentials, what: str) -> Proof:
    """Check what a caller sent to `what`. Raises KeyRequired, BadKey or BadSignature. Without any keys, everything is open."""
    if not access.keys and not access.signing_keys:
        return Proof()
    if sent.signature:
        return Proof(_signer(access, sent), signed=True)
    if not sent.key:
        raise KeyRequired(f"{what} needs an API key, or a signature")
    key = access.identify(None, sent.key)
    if key is None:  # signing keys alone are set: nobody has a key
        raise BadKey("the key is unknown, and this address needs a signature")
    return Proof(key, by_secret=True)


def _signer(access: AccessRules, sent: Credentials) -> ApiKey | None:
    """Return the key that has signed, None for one of SIGNING_KEYS. Raises BadSignature."""
    of_pair = next((key for key in access.keys if key.name == sent.key), None) or _key_of_secret(access, sent.key)
    secrets = [*access.signing_keys, *([of_pair.secret] if of_pair else [])]
    matches = [_is_signed(secret, sent) for secret in secrets]  # all are compared, so that the time taken says nothing
    if not any(matches):
        raise BadSignature("does not match the other options; sign this URL again", field="signature")
    return of_pair


def _key_of_secret(access: AccessRules, secret: str) -> ApiKey | None:
    try:
        return access.identify(None, secret)
    except BadKey:
        return None


def _is_signed(secret: str, sent: Credentials) -> bool:
    digest = hashlib.sha1 if len(sent.signature) == 40 else hashlib.sha256
    expected = hmac.new(secret.encode(), sent.signed.encode(), digest).hexdigest()
    return hmac.compare_digest(expected.encode(), sent.signature.lower().encode())


def find_pair(access: AccessRules, sent: Credentials) -> Proof:
    """Find the pair of keys in thum.io's `<id>-<secret>` or `<id>-<expiry>-<md5>`. Any other text proves nothing.

    The expiry is a Unix time in milliseconds, and the MD5 that of secret, expiry and target.
    """
    for key in access.keys:
        name, found, rest = sent.key.partition(f"{key.name}-")
        if name or not found:
            continue
        if hmac.compare_digest(rest.encode(), key.secret.encode()):
            return Proof(key, by_secret=True)
        expiring = _EXPIRING.fullmatch(rest)
        if expiring is None or int(expiring[1]) <= time.time() * 1000:
            continue
        digest = hashlib.md5(f"{key.secret}{expiring[1]}{sent.signed}".encode(), usedforsecurity=False).hexdigest()
        if hmac.compare_digest(digest, expiring[2]):
            return Proof(key, signed=True)
    return Proof()
