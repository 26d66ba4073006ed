"""Draws the GIF that stands for a picture which is not there yet, for clients that tell the two apart by their format."""

import io
from functools import cache

from PIL import Image, ImageDraw

WIDTH, HEIGHT = 400, 300
_PAPER, _INK = 0xF1, 0xC4
_DOT = 9  # pixels


@cache
def draw_waiting() -> bytes:
    """Draw three dots. It is a GIF of WIDTH × HEIGHT pixels."""
    image = Image.new("L", (WIDTH, HEIGHT), _PAPER)
    draw = ImageDraw.Draw(image)
    for x in (WIDTH // 2 - 4 * _DOT, WIDTH // 2, WIDTH // 2 + 4 * _DOT):
        draw.ellipse((x - _DOT, HEIGHT // 2 - _DOT, x + _DOT, HEIGHT // 2 + _DOT), _INK)
    buffer = io.BytesIO()
    image.save(buffer, "GIF")
    return buffer.getvalue()
