"""Addresses of pictures, for pages and mails, and their signatures: see docs/signing.md of the service."""

import base64
import hashlib
import hmac
import time
from collections.abc import Iterable, Mapping
from html import escape
from urllib.parse import quote, urlencode

Value = str | int | float | bool
# One signature serves all sizes and formats of a page, and whatever breaks a browser's cache.
_UNSIGNED = frozenset({"w", "h", "fit", "format", "quality", "wait", "theme", "v", "_"})


def sign(key: str, options: Mapping[str, Value]) -> str:
    """Return the signature of the options of a query, in hex. Raises ValueError for a line break in a value, or no key."""
    if not key:
        raise ValueError("key: must be one of the service's SIGNING_KEYS")
    texts = {name: text_of(value) for name, value in options.items()}
    signed = [
        (name, text) for name, text in texts.items() if name not in _UNSIGNED or (name, text) == ("format", "pdf")
    ]
    for name, text in signed:
        if "\n" in text:
            raise ValueError(f"{name}: a value that is signed has no line break")
    lines = sorted(f"{name}={text}" for name, text in signed)
    return hmac.new(key.encode(), "\n".join(lines).encode(), hashlib.sha256).hexdigest()


class Urls:
    """Writes addresses below `base_url`, such as https://thumbs.example.com. With a `signing_key`, they are signed."""

    def __init__(self, base_url: str, signing_key: str | None = None) -> None:
        self._base = base_url.rstrip("/")
        self._key = signing_key

    def thumb(self, url: str, *, expires_in: float | None = None, **options: Value) -> str:
        """Return the address of the picture of the page `url`. It is good for `expires_in` seconds, or for ever."""
        return self._thumb(url, options, expires_in)

    def path(self, url: str, *, expires_in: float | None = None, **options: Value) -> str:
        """Return the same as a path that ends like a file, for programs that want a file name."""
        given = self._signed(url, options, expires_in)
        page = base64.urlsafe_b64encode(given.pop("url").encode()).decode().rstrip("=")
        ending = "" if given.get("format") == "auto" else "." + given.pop("format", "png")  # `auto` ends no file's name
        words = ",".join(f"{name}={quote(text, safe='')}" for name, text in given.items()) or "-"
        return f"{self._base}/t/{words}/{page}{ending}"

    def srcset(self, url: str, widths: Iterable[int], *, ratio: float | None = None, **options: Value) -> str:
        """Return the `srcset` of an image in several `widths`, in pixels. `ratio` is width by height, 16/9 for example."""
        return ", ".join(f"{self._thumb(url, options | _sides(width, ratio))} {width}w" for width in widths)

    def img(self, url: str, width: int, height: int, *, alt: str = "", **options: Value) -> str:
        """Return an `<img>` of `width` × `height` CSS pixels that is sharp on screens with two pixels for each."""
        once = self._thumb(url, options | {"w": width, "h": height})
        twice = self._thumb(url, options | {"w": 2 * width, "h": 2 * height})
        return (
            f'<img src="{escape(once)}" srcset="{escape(twice)} 2x" width="{width}" height="{height}" '
            f'alt="{escape(alt)}" loading="lazy">'
        )

    def card(
        self,
        template: str,
        data: Mapping[str, Value] | None = None,
        *,
        expires_in: float | None = None,
        **options: Value,
    ) -> str:
        """Return the address of a card: `data` are the variables of its template, `options` those of the picture: w, format, …"""
        ending = text_of(options.pop("format", "png"))
        given = {name: text_of(value) for name, value in {**(data or {}), **options}.items()}
        if expires_in is not None:
            given["expires"] = str(int(time.time() + expires_in))
        if self._key:
            lines = {name: text.replace("\r\n", "\n").replace("\n", "\\n") for name, text in given.items()}
            given["sig"] = sign(self._key, {**lines, "template": template})
        query = urlencode(given)
        return f"{self._base}/card/{quote(template, safe='')}.{ending}{'?' if query else ''}{query}"

    def _thumb(self, url: str, options: Mapping[str, Value], expires_in: float | None = None) -> str:
        return f"{self._base}/thumb?{urlencode(self._signed(url, options, expires_in))}"

    def _signed(self, url: str, options: Mapping[str, Value], expires_in: float | None) -> dict[str, str]:
        given = {"url": url} | {name: text_of(value) for name, value in options.items()}
        if expires_in is not None:
            given["expires"] = str(int(time.time() + expires_in))
        return given | ({"sig": sign(self._key, given)} if self._key else {})


def _sides(width: int, ratio: float | None) -> dict[str, Value]:
    return {"w": width} if ratio is None else {"w": width, "h": round(width / ratio)}


def text_of(value: Value) -> str:
    """Write a value as the service reads it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
