"""Reads the size of a GIF. Pillow would fill its whole canvas as soon as it is opened, before any limit is checked. Pure."""

import struct

SIGNATURE = b"GIF8"
_SCREEN, _FRAME = struct.Struct("<HHB"), struct.Struct("<HHHH")
_EXTENSION, _IMAGE = 0x21, 0x2C
_MOST_BLOCKS = 8192  # before the first frame


def size_of_gif(body: bytes) -> tuple[int, int]:
    """Return width and height of the canvas, which the first frame may enlarge.

    Raises ValueError if there is no frame, and for extensions that Pillow reads in another way, to find another frame.
    """
    try:
        width, height, flags = _SCREEN.unpack_from(body, 6)
        at, left_over = _after_table(13, flags), _MOST_BLOCKS
        while body[at] == _EXTENSION:
            if not body[at + 2] or (body[at + 3 : at + 14] == b"NETSCAPE2.0" and not body[at + 14]):
                raise ValueError("an extension of the GIF is empty")
            at, left_over = _after_blocks(body, at + 2, left_over)
        if body[at] != _IMAGE:
            raise ValueError("the GIF has no frame")
        left, top, frame_width, frame_height = _FRAME.unpack_from(body, at + 1)
    except (struct.error, IndexError):
        raise ValueError("the GIF is cut off") from None
    return max(width, left + frame_width), max(height, top + frame_height)


def _after_table(at: int, flags: int) -> int:
    """Return where the table of colours ends, if there is one."""
    return at + (3 << (flags & 7) + 1 if flags & 0x80 else 0)


def _after_blocks(body: bytes, at: int, most: int) -> tuple[int, int]:
    """Return where the blocks of an extension end, and how many others there may be."""
    while body[at]:
        at += 1 + body[at]
        most -= 1
        if most < 0:
            raise ValueError("the GIF has too many blocks before its first frame")
    return at + 1, most
