"""Signed URLs: HMAC-SHA256 over the options of a query. See docs/signing.md."""

import hashlib
import hmac
import time
from collections.abc import Iterable, Sequence

from errors import BadSignature, ExpiredSignature
from options import THUMBNAIL_OPTIONS, is_appended
from urls import read_query

# One signature serves a whole `srcset`: these options say how a picture is delivered, not which picture.
UNSIGNED = frozenset(each.name for each in THUMBNAIL_OPTIONS.values() if not each.signed)
PRINTED = ("format", "pdf")  # signed nevertheless, since a PDF is another capture and may be of any length


def sign(key: str, options: Iterable[tuple[str, str]]) -> str:
    """Return the signature of a query's decoded `options`: HMAC-SHA256, in hex, of their sorted `name=value` lines.

    Raises BadSignature for a value with a line break, which could pass for another option.
    """
    lines = sorted(f"{name}={value}" for name, value in options if _is_signed(name, value))
    if any("\n" in line for line in lines):
        raise BadSignature("a signed option must not contain a line break; remove it")
    return hmac.new(key.encode(), "\n".join(lines).encode(), hashlib.sha256).hexdigest()


def pairs_of_card(template: str, options: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    r"""Return what the signature of a card's address covers: the decoded `options` of its query, and its template.

    A signed line holds no line break, so one in a text is written as `\n`.
    """
    return [
        ("template", template),
        *((name, text.replace("\r\n", "\n").replace("\n", "\\n")) for name, text in options),
    ]


def require_signature(keys: Sequence[str], query: bytes, expires: int | None) -> None:
    """Raise BadSignature or ExpiredSignature unless `query` is signed with one of `keys`, if any are set."""
    if not keys:
        return
    pairs = read_query(query)
    sent = dict(pairs).get("sig", "")
    valid = [hmac.compare_digest(sign(key, pairs).encode(), sent.encode()) for key in keys]
    if not any(valid):
        raise BadSignature("is missing or does not match the other options; sign this URL again", field="sig")
    if expires is not None and expires < time.time():
        raise ExpiredSignature("this time has passed; sign the URL again with a later one", field="expires")


def _is_signed(name: str, value: str) -> bool:
    # Blanks around a value are ignored, so ` pdf` is a PDF too.
    return not (name in UNSIGNED or is_appended(name)) or (name, value.strip()) == PRINTED
