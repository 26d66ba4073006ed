"""Pictures as other web servers send them, good and bad."""

import functools
import io
import struct
import zlib

from PIL import Image, ImageDraw


def photo(width, height, image_format="PNG", mode="RGB"):
    """Draw a picture of many colours."""
    image = Image.radial_gradient("L").resize((width, height))
    image = Image.merge("RGB", (image, image.rotate(90), Image.linear_gradient("L").resize((width, height))))
    return encoded(image.convert(mode), image_format)


def plain(width, height, colour="red", image_format="PNG", mode="RGB"):
    return encoded(Image.new(mode, (width, height), colour), image_format)


def lying(width, height, image_format="JPEG"):
    """Draw a picture that is red at the top, of `width` × `height` pixels once it is turned as its EXIF data say."""
    image = Image.new("RGB", (width, height), "blue")
    image.paste("red", (0, 0, width, height // 2))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    return encoded(image.transpose(Image.Transpose.ROTATE_90), image_format, exif=exif)


def deep_grey(width, height):
    """Draw a gradient from white to black with 16 bits a pixel."""
    rows = b"".join(struct.pack("<H", 65535 - 65535 * row // height) * width for row in range(height))
    return encoded(Image.frombytes("I;16", (width, height), rows))


def logo(width, height):
    """Draw a disc on a white page."""
    image = Image.new("RGB", (width, height), "white")
    ImageDraw.Draw(image).ellipse((width * 0.4, height * 0.3, width * 0.6, height * 0.7), fill="navy")
    return encoded(image)


def encoded(image, image_format="PNG", **options):
    out = io.BytesIO()
    image.save(out, image_format, **options)
    return out.getvalue()


def ico(*sides, colour="red"):
    image = Image.new("RGBA", (max(sides), max(sides)), colour)
    return encoded(image, "ICO", sizes=[(side, side) for side in sides])


def ico_of_bitmaps(side, colour="red"):
    return encoded(Image.new("RGBA", (side, side), colour), "ICO", bitmap_format="bmp")


def ico_with(part):
    """Write an ICO of one entry, 32 × 32 pixels by its directory, whose file is `part`."""
    return struct.pack("<HHHBBBBHHII", 0, 1, 1, 32, 32, 0, 0, 1, 32, len(part), 22) + part


@functools.cache
def bomb(side=30_000):
    """Write a PNG of `side` × `side` pixels in some kilobytes."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer = zlib.compressobj(9)
    row = bytes(1 + side // 8)
    rows = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def bitmap_bomb(side=30_000):
    """Write a bitmap as an ICO holds it, without a file's header, that says to have `side` × `side` pixels."""
    return struct.pack("<IiiHHIIiiII", 40, side, 2 * side, 1, 32, 0, 0, 0, 0, 0, 0) + bytes(64)
