"""Draws the icon of a page that has none: the first letter of its host on a colour. Pure."""

import colorsys
import hashlib
from functools import lru_cache

from PIL import Image, ImageDraw, ImageFont

from images.lettering import font_of, host_in_words
from images.render import encode
from options import FORMATS

_SHARE = 0.62  # of the side that a letter's size is
_OVER = 4  # times as large it is drawn, for smooth edges


@lru_cache(maxsize=256)
def draw_letter(host: str, colour: str, side: int) -> bytes:
    """Return a PNG of `side` × `side` pixels. `colour`, such as #1f6feb, may be empty: the host then chooses one."""
    paper = _parse(colour) if colour else _colour_of(host)
    large = side * _OVER
    image = Image.new("RGBA", (large, large), 0)
    draw = ImageDraw.Draw(image)
    draw.rounded_rectangle((0, 0, large - 1, large - 1), large / 5, fill=paper)
    ink = "white" if _contrast(paper) else "#1a1a1a"
    letter, size = _letter(host), large * _SHARE
    font = ImageFont.load_default(size) if letter.isascii() else font_of(letter, round(size))
    draw.text((large / 2, large / 2), letter, fill=ink, font=font, anchor="mm")
    return encode(image.resize((side, side), Image.Resampling.LANCZOS), FORMATS["png"], 0)


def _letter(host: str) -> str:
    """Return the first letter or digit of the host's name, in its own script if there is a font for it."""
    name = host_in_words(host.removeprefix("www.")).removeprefix("xn--")
    letter = next((each for each in name if each.isalnum()), "#")
    return letter.upper() if len(letter.upper()) == 1 else letter


def _parse(colour: str) -> tuple[int, int, int]:
    red, green, blue = bytes.fromhex(colour[1:])
    return red, green, blue


def _colour_of(host: str) -> tuple[int, int, int]:
    hue = hashlib.sha256(host.encode()).digest()[0] / 256
    red, green, blue = (round(255 * part) for part in colorsys.hls_to_rgb(hue, 0.38, 0.45))
    return red, green, blue


def _contrast(paper: tuple[int, int, int]) -> bool:
    """Return whether white is easier to read on `paper` than black: https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio."""
    linear = [(c / 255 / 12.92) if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in paper]
    light = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return 1.05 / (light + 0.05) > (light + 0.05) / 0.05
