"""Draws the placeholder for a picture that is pending or failed.

A refused caller is not charged, so a placeholder must cost next to nothing, however large it is: only what is drawn in its
middle is compressed, and what has been drawn is kept.
"""

import struct
import zlib
from functools import lru_cache
from typing import Literal

from PIL import Image, ImageDraw

from images import lettering

State = Literal["error", "pending"]
Theme = Literal["light", "dark"]
Colour = tuple[int, int, int]

# Paper, lines of the small window, letters.
_COLOURS: dict[Theme, tuple[Colour, Colour, Colour]] = {
    "light": ((0xF1, 0xF2, 0xF0), (0xBE, 0xC4, 0xC0), (0x5D, 0x67, 0x63)),
    "dark": ((0x19, 0x1C, 0x1B), (0x46, 0x4E, 0x4B), (0x98, 0xA2, 0x9D)),
}
_LINES, _LETTERS = 6, 9  # shades between paper and full ink, the palette's entries after the paper
_LARGEST_UNIT = 44  # pixels: the window has 6 × 4.5 units, and stays this small in a large picture
_LARGEST_LETTERS, _SMALLEST_LETTERS = 26, 11
_ROOM_FOR_WORDS = (120, 80)
_REMEMBERED = 512  # placeholders of some 2 kB


@lru_cache(maxsize=_REMEMBERED)
def draw(width: int, height: int, state: State, host: str = "", words: str = "", theme: Theme = "light") -> bytes:
    """Draw a quiet placeholder of `width` × `height` pixels: a small browser window with a cross, or three dots.

    Where there is room, the `host` (with its port, in ASCII) and what is the matter, in `words`, are below it. The result
    is a PNG with four bits per pixel. Encoding it here makes its cost independent of its size.
    """
    drawing = _drawing(width, height, state, host, words)
    stride = 1 + (width + 1) // 2  # a byte that names the row's filter, none; then 2 pixels a byte
    left, above = (width - drawing.width) // 4, (height - drawing.height) // 2
    rows = _packed(drawing)
    band = b"".join((bytes(1 + left) + row).ljust(stride, b"\0") for row in rows)
    pixels = _deflate(above * stride, band, (height - above - len(rows)) * stride)
    header = struct.pack(">IIBBBBB", width, height, 4, 3, 0, 0, 0)
    chunks = (b"IHDR", header), (b"PLTE", _PALETTES[theme]), (b"IDAT", pixels), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _drawing(width: int, height: int, state: State, host: str, words: str) -> Image.Image:
    """Draw what is in the middle, as indices of the palette."""
    has_room = width >= _ROOM_FOR_WORDS[0] and height >= _ROOM_FOR_WORDS[1] and bool(host or words)
    unit = min(min(width, height) // (15 if has_room else 12), _LARGEST_UNIT)
    window = _window(unit, state) if unit >= 2 else _mark(min(width, height), state)
    if not has_room:
        return window
    size = min(max(min(width // 26, height // 14), _SMALLEST_LETTERS), _LARGEST_LETTERS)
    smaller = max(round(size * 0.85), _SMALLEST_LETTERS)
    most = round(width * 0.9)
    lines = [_name(host, size, most)] if host else []
    if lettering.fits(words, smaller, most):
        lines.append(_words(words, smaller, most))
    return _stacked([window, *lines], gap=size)


def _name(host: str, size: int, most: int) -> Image.Image:
    smallest = max(round(size * 0.7), _SMALLEST_LETTERS)
    return _inked(lettering.line(lettering.host_in_words(host), size, smallest, most))


@lru_cache(maxsize=256)
def _words(words: str, size: int, most: int) -> Image.Image:
    return _inked(lettering.line(words, size, size, most))


def _stacked(parts: list[Image.Image], gap: int) -> Image.Image:
    """Put the window and the lines of text below each other, with a gap under the window."""
    height = sum(part.height for part in parts) + gap
    canvas = Image.new("L", (max(part.width for part in parts), height))
    top = 0
    for number, part in enumerate(parts):
        canvas.paste(part, ((canvas.width - part.width) // 2, top))
        top += part.height + (0 if number else gap)
    return canvas


_INK_OF_LETTERS = bytes(0 if value < 14 else _LINES + max(round(value * _LETTERS / 255), 1) for value in range(256))
_INK_OF_LINES = bytes(round(value * _LINES / 255) for value in range(256))


def _inked(mask: Image.Image, ink: bytes = _INK_OF_LETTERS) -> Image.Image:
    """Turn shades of grey into indices of the palette."""
    return Image.frombytes("L", mask.size, mask.tobytes().translate(ink))


@lru_cache(maxsize=128)
def _window(unit: int, state: State) -> Image.Image:
    """Draw the window, at four times its size and then smaller, so that its lines are smooth."""
    image = Image.new("L", (4 * (6 * unit + 1), 4 * (round(4.5 * unit) + 1)))
    draw, unit = ImageDraw.Draw(image), 4 * unit
    line, right, bottom = max(unit // 6, 4), image.width - 1, image.height - 1
    draw.rounded_rectangle((0, 0, right, bottom), unit / 2, outline=255, width=line)
    draw.rectangle((0, 1.25 * unit - line / 2, right, 1.25 * unit + line / 2 - 1), 255)
    _draw_sign(draw, (right / 2, 2.95 * unit), unit, line, state)
    return _inked(image.reduce(4), _INK_OF_LINES)


@lru_cache(maxsize=64)
def _mark(side: int, state: State) -> Image.Image:
    """Draw the sign alone, where there is no room for a window."""
    unit = side * 4 / 5
    image = Image.new("L", (4 * side, 4 * side))
    _draw_sign(ImageDraw.Draw(image), (2 * side, 2 * side), unit, max(round(unit / 3), 4), state)
    return _inked(image.reduce(4), _INK_OF_LINES)


def _draw_sign(draw: ImageDraw.ImageDraw, middle: tuple[float, float], unit: float, line: int, state: State) -> None:
    x, y = middle
    if state == "pending":
        for dot in (-1.4, 0, 1.4):
            at = x + dot * unit
            draw.ellipse((at - unit / 3, y - unit / 3, at + unit / 3, y + unit / 3), 255)
        return
    for slope in (-0.75, 0.75):
        draw.line((x - unit * 0.75, y - unit * slope, x + unit * 0.75, y + unit * slope), 255, line)


def _packed(image: Image.Image) -> list[bytes]:
    """Pack two indices into a byte, the left one in its upper half, and return the rows."""
    if image.width % 2:
        image = image.crop((0, 0, image.width + 1, image.height))
    # As one large number, which C adds in no time.
    every = image.tobytes()
    pairs = int.from_bytes(every[::2].translate(_UPPER)) | int.from_bytes(every[1::2])
    packed, stride = pairs.to_bytes(len(every) // 2), image.width // 2
    return [packed[at : at + stride] for at in range(0, len(packed), stride)]


_UPPER = bytes((value << 4) & 0xFF for value in range(256))


def _palette(theme: Theme) -> bytes:
    paper, lines, letters = _COLOURS[theme]
    shades = [_between(paper, lines, step / _LINES) for step in range(_LINES + 1)]
    return b"".join(shades + [_between(paper, letters, step / _LETTERS) for step in range(1, _LETTERS + 1)])


def _between(paper: Colour, ink: Colour, share: float) -> bytes:
    return bytes(round(low + (high - low) * share) for low, high in zip(paper, ink, strict=True))


_PALETTES = {theme: _palette(theme) for theme in _COLOURS}


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _deflate(before: int, data: bytes, after: int) -> bytes:
    """Compress `before` zero bytes, `data`, and `after` zero bytes (RFC 1950), at little more than the cost of `data`."""
    check = _check_of_zeros(zlib.adler32(data, _check_of_zeros(1, before)), after)
    return b"\x78\x01" + _zeros(before) + _block(data) + _zeros(after) + b"\x03\0" + struct.pack(">I", check)


def _check_of_zeros(check: int, count: int) -> int:
    """Return Adler-32 of `count` more zero bytes: the first sum stays, and is added to the second with each of them."""
    low, high = check & 0xFFFF, check >> 16
    return (high + count * low) % 65521 << 16 | low


def _zeros(count: int) -> bytes:
    blocks = _BLANK[_LARGEST_BLANK] * (count >> _LARGEST_BLANK)
    rest = b"".join(_BLANK[bit] for bit in range(_SMALLEST_BLANK, _LARGEST_BLANK) if count >> bit & 1)
    return blocks + rest + _block(bytes(count & (1 << _SMALLEST_BLANK) - 1))


def _block(data: bytes) -> bytes:
    """Compress `data` as a separate block, which can be placed between any others."""
    raw = zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS)
    return raw.compress(data) + raw.flush(zlib.Z_FULL_FLUSH)


_SMALLEST_BLANK, _LARGEST_BLANK = 8, 18
_BLANK = {bit: _block(bytes(1 << bit)) for bit in range(_SMALLEST_BLANK, _LARGEST_BLANK + 1)}
