"""Synthetic pictures that resemble a page, of about a given size in bytes. They are the same in every run."""

import io
import random
from pathlib import Path

from PIL import Image, ImageDraw

SEED = 20261120
TYPICAL_BYTES = 56_000


def draw_page(width: int, height: int, photo: float, seed: int = SEED) -> Image.Image:
    """Draw lines of text, boxes, and a noisy photograph of `photo` × the width."""
    rng = random.Random(seed)
    image = Image.new("RGB", (width, height), (250, 250, 248))
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, width, height // 12), fill=(30, 60, 110))
    for top in range(height // 10, height - 14, 18):
        words = " ".join("".join(rng.choices("etaoinshrdlu", k=rng.randint(2, 9))) for _ in range(14))
        draw.text((width // 40, top), words[: width // 14], fill=(40, 40, 40))
    side = max(int(width * photo), 8)
    image.paste(photograph(side, side * 9 // 16, rng), (width - side - width // 40, height // 8))
    return image


def photograph(width: int, height: int, rng: random.Random) -> Image.Image:
    """Draw enlarged noise, which compresses like a photograph."""
    small = Image.frombytes(
        "RGB", (width // 3 + 1, height // 3 + 1), rng.randbytes((width // 3 + 1) * (height // 3 + 1) * 3)
    )
    return small.resize((width, height), Image.Resampling.BILINEAR)


def png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def page_picture(width: int = 1280, height: int = 720, size: int = TYPICAL_BYTES) -> bytes:
    """Make a PNG of about `size` bytes, by varying the size of its photograph."""
    low, high = 0.0, 0.9
    body = b""
    for _ in range(8):
        middle = (low + high) / 2
        body = png(draw_page(width, height, middle))
        low, high = (middle, high) if len(body) < size else (low, middle)
    return body


def write_all(folder: Path) -> None:
    """Write the pictures of the fake screenshot API."""
    folder.mkdir(parents=True, exist_ok=True)
    for width, height in ((1280, 720), (640, 360), (320, 240)):
        (folder / f"{width}x{height}.png").write_bytes(page_picture(width, height, TYPICAL_BYTES * width // 1280))
