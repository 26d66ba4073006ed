"""Draws the placeholder for a picture that is pending or failed.

A refused caller is not charged, so a placeholder must cost next to nothing, however large it is.
"""

import struct
import zlib
from functools import lru_cache
from typing import Literal

from PIL import Image, ImageDraw

_PAPER, _INK = b"\xf1" * 3, b"\xc4" * 3
_LARGEST_UNIT = 60  # pixels: the window has 6 × 4.5 units, and stays this small in a large picture
_BLANK_BYTES = 1 << 15


@lru_cache(maxsize=256)
def draw(width: int, height: int, state: Literal["error", "pending"]) -> bytes:
    """Draw a neutral placeholder of `width` × `height` pixels: a small browser window with a cross, or three dots.

    The result is a PNG with one bit per pixel. Encoding it here makes its cost independent of its size.
    """
    stride = 1 + (width + 7) // 8  # a byte that names the row's filter, none; then 8 pixels a byte
    unit = min(min(width, height) // 12, _LARGEST_UNIT)
    rows = _window(unit, state) if unit >= 2 else []
    left = (stride - len(rows[0])) // 2 if rows else 0
    above = (height - len(rows)) // 2
    window = b"".join((bytes(left) + row).ljust(stride, b"\0") for row in rows)
    pixels = _deflate(above * stride, window, (height - above - len(rows)) * stride)
    header = struct.pack(">IIBBBBB", width, height, 1, 3, 0, 0, 0)
    chunks = (b"IHDR", header), (b"PLTE", _PAPER + _INK), (b"IDAT", pixels), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _deflate(before: int, data: bytes, after: int) -> bytes:
    """Compress `before` zero bytes, `data`, and `after` zero bytes (RFC 1950), at little more than the cost of `data`."""
    check = zlib.adler32(bytes(after), zlib.adler32(data, zlib.adler32(bytes(before))))
    return b"\x78\x01" + _zeros(before) + _block(data) + _zeros(after) + b"\x03\0" + struct.pack(">I", check)


def _zeros(count: int) -> bytes:
    return _BLANK * (count // _BLANK_BYTES) + _block(bytes(count % _BLANK_BYTES))


def _block(data: bytes) -> bytes:
    """Compress `data` as a separate block, which can be placed between any others."""
    raw = zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS)
    return raw.compress(data) + raw.flush(zlib.Z_FULL_FLUSH)


_BLANK = _block(bytes(_BLANK_BYTES))


@lru_cache(maxsize=128)
def _window(unit: int, state: str) -> list[bytes]:
    """Draw the window, and return its rows."""
    image = Image.new("1", (6 * unit + 1, round(4.5 * unit) + 1))
    draw, line, right, bottom = ImageDraw.Draw(image), max(unit // 4, 1), 6 * unit, round(4.5 * unit)
    draw.rounded_rectangle((0, 0, right, bottom), unit / 2, outline=1, width=line)
    draw.line((0, 1.25 * unit, right, 1.25 * unit), 1, line)
    x, y = 3 * unit, 2.85 * unit
    if state == "pending":
        for dot in (-1.4, 0, 1.4):
            at = x + dot * unit
            draw.ellipse((at - unit / 3, y - unit / 3, at + unit / 3, y + unit / 3), 1)
    else:
        draw.line((x - unit, y - unit * 0.8, x + unit, y + unit * 0.8), 1, line)
        draw.line((x - unit, y + unit * 0.8, x + unit, y - unit * 0.8), 1, line)
    bits, stride = image.tobytes(), (image.width + 7) // 8
    return [bits[at : at + stride] for at in range(0, len(bits), stride)]
