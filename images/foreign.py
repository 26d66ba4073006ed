"""Pictures that pages name: icons and previews. They come from strangers, so each limit is checked before pixels are.

Nothing of such a file is passed on: what is drawn is encoded again. Pure.
"""

import io
import struct
from dataclasses import dataclass
from typing import cast

from PIL import GifImagePlugin, IcoImagePlugin, Image, ImageOps

from images.decode import NotAPicture, decode, load, open_small, translated
from images.palette import share_of_main_colour
from images.pixels import pack
from images.render import encode
from options import FORMATS

# Loaded here for the reason that images.decode gives.
_PLUGINS = GifImagePlugin, IcoImagePlugin
MOST_ICON_PIXELS = 1 << 20
MOST_PREVIEW_PIXELS = 24 << 20
LARGEST_ICON = 256  # pixels: the side of an icon that is kept
LONGEST_PREVIEW = 1920  # pixels: the side of a preview that is kept
LONGEST_SHARED = 1040  # pixels: the side of a picture that is kept to be shown on a card
FOREIGN_FORMATS = ("PNG", "JPEG", "WEBP", "AVIF", "GIF")
_LEAST_PREVIEW = 300, 157
_NARROWEST, _WIDEST = 0.5, 3.0  # width by height
_LOGO_SIDE = 600  # a smaller square is a logo or a portrait rather than a preview
_PLAIN = 0.75  # the share of one colour from which a picture shows a logo, or nothing
_ENTRY = struct.Struct("<BBBBHHII")  # of an ICO's directory
_PNG, _ICO = b"\x89PNG\r\n\x1a\n", b"\0\0\1\0"


@dataclass(frozen=True, slots=True)
class Preview:
    """A picture as a PNG, its pixels packed, and why it is no good preview of a page, "" if it is."""

    body: bytes
    width: int
    height: int
    pixels: bytes
    doubt: str = ""


def read_icon(body: bytes) -> bytes:
    """Return the icon as a PNG of at most 256 pixels. Raises NotAPicture."""
    image = _of_ico(body) if body.startswith(_ICO) else _open(body, MOST_ICON_PIXELS)
    image = image.convert("RGBA")
    if image.getchannel("A").getextrema() == (0, 0):
        raise NotAPicture("nothing of the icon can be seen")
    if max(image.size) > LARGEST_ICON:
        image.thumbnail((LARGEST_ICON, LARGEST_ICON), Image.Resampling.LANCZOS)
    return encode(image, FORMATS["png"], 0)


def resize_icon(body: bytes, side: int) -> bytes:
    """Return an icon that `read_icon` made as a PNG of `side` × `side` pixels, in the middle of it if it is no square."""
    image = decode(body).convert("RGBA")
    ratio = side / max(image.size)
    size = max(round(image.width * ratio), 1), max(round(image.height * ratio), 1)
    canvas = Image.new("RGBA", (side, side), 0)
    canvas.paste(image.resize(size, Image.Resampling.LANCZOS), ((side - size[0]) // 2, (side - size[1]) // 2))
    return encode(canvas, FORMATS["png"], 0)


def read_preview(body: bytes) -> Preview:
    """Decode the picture that a page names for previews. Raises NotAPicture."""
    image = _open(body, MOST_PREVIEW_PIXELS)
    doubt = _doubt(image)
    if max(image.size) > LONGEST_PREVIEW:
        image.thumbnail((LONGEST_PREVIEW, LONGEST_PREVIEW), Image.Resampling.LANCZOS)
    plain = _plain(image)
    return Preview(encode(plain, FORMATS["png"], 0), plain.width, plain.height, pack(plain), doubt)


def read_shared(body: bytes) -> tuple[str, int, int, bytes]:
    """Return format, width and height of a picture that a page is shared with, and a WebP of it, for a page that shows it.

    Raises NotAPicture.
    """
    file_format = str(open_small(body, FOREIGN_FORMATS, MOST_PREVIEW_PIXELS).format)
    image = _open(body, MOST_PREVIEW_PIXELS)
    width, height = image.size
    image.thumbnail((LONGEST_SHARED, LONGEST_SHARED), Image.Resampling.LANCZOS)
    return file_format, width, height, encode(_plain(image), FORMATS["webp"], 80)


def _doubt(image: Image.Image) -> str:
    ratio = image.width / image.height
    if image.width < _LEAST_PREVIEW[0] or image.height < _LEAST_PREVIEW[1]:
        return "small"
    if not _NARROWEST <= ratio <= _WIDEST:
        return "narrow"
    if image.mode == "RGBA" and cast("tuple[int, int]", image.getchannel("A").getextrema())[0] < 128:
        return "transparent"
    if share_of_main_colour(image) > _PLAIN or (0.9 <= ratio <= 1.1 and max(image.size) < _LOGO_SIDE):
        return "logo"
    return ""


def _open(body: bytes, most_pixels: int) -> Image.Image:
    image = load(open_small(body, FOREIGN_FORMATS, most_pixels))
    with translated():
        image = ImageOps.exif_transpose(image)  # cameras lie on their side, and browsers turn what they took
        return image.convert("RGBA" if image.has_transparency_data else "RGB")


def _plain(image: Image.Image) -> Image.Image:
    """Return the pixels alone, without what a file may carry besides them."""
    plain = Image.new("RGB", image.size, "white")
    plain.paste(image, mask=image.getchannel("A") if image.mode == "RGBA" else None)
    return plain


def _of_ico(body: bytes) -> Image.Image:
    """Draw the largest icon of an ICO. Its directory and the files inside may lie to each other."""
    try:
        (count,) = struct.unpack_from("<H", body, 4)
        entries = [_ENTRY.unpack_from(body, 6 + at * _ENTRY.size) for at in range(min(count, 64))]
    except struct.error as err:
        raise NotAPicture("the directory of the icon is cut off") from err
    largest = max(entries, key=lambda each: ((each[0] or 256) * (each[1] or 256), each[5]), default=None)
    if largest is None:
        raise NotAPicture("the icon is empty")
    *head, size, offset = largest
    part = body[offset : offset + size]
    if part.startswith(_PNG):
        return _open(part, MOST_ICON_PIXELS)
    try:
        width, height = struct.unpack_from("<ii", part, 4)
    except struct.error as err:
        raise NotAPicture("the icon is cut off") from err
    if not (0 < width <= LARGEST_ICON and 0 < height <= 2 * LARGEST_ICON):  # colours, and below them a mask
        raise NotAPicture(f"{width} × {height} pixels are no icon")
    alone = _ICO + struct.pack("<H", 1) + _ENTRY.pack(*head, len(part), 6 + _ENTRY.size) + part
    with translated():
        image = Image.open(io.BytesIO(alone), formats=("ICO",))
        image.load()
    return image
