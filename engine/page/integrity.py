"""Recognises broken pictures: Chromium sometimes returns an empty or truncated one as a success. Pure."""

import struct
from collections.abc import Callable

Size = tuple[int, int]


class BrokenPicture(Exception):
    """The bytes are not a whole picture of the expected type and size."""


def require_whole(body: bytes, kind: str, expected: Size | None) -> None:
    """Raise BrokenPicture unless `body` is a whole `kind` of `expected` (width, height) pixels, within rounding."""
    try:
        size = READERS[kind](body)
    except (struct.error, IndexError) as err:
        raise BrokenPicture(f"truncated {kind}") from err
    if expected and any(abs(actual - wanted) > 1 for actual, wanted in zip(size, expected, strict=True)):
        raise BrokenPicture(f"{kind} of {size[0]}×{size[1]} where {expected[0]}×{expected[1]} was expected")


def _require(condition: bool, what: str) -> None:
    if not condition:
        raise BrokenPicture(what)


def _png(body: bytes) -> Size:
    _require(body.startswith(b"\x89PNG\r\n\x1a\n") and body[-8:-4] == b"IEND", "not a whole png")
    width, height = struct.unpack_from(">II", body, 16)
    return width, height


def _jpeg(body: bytes) -> Size:
    _require(body.startswith(b"\xff\xd8\xff") and body.endswith(b"\xff\xd9"), "not a whole jpeg")
    at = 2
    while not (0xC0 <= body[at + 1] <= 0xCF and body[at + 1] not in (0xC4, 0xC8, 0xCC)):  # until a frame header
        at += 2 + struct.unpack_from(">H", body, at + 2)[0]
    height, width = struct.unpack_from(">HH", body, at + 5)
    return width, height


def _webp(body: bytes) -> Size:
    riff, length, webp, chunk = struct.unpack_from("<4sI4s4s", body)
    _require(riff == b"RIFF" and webp == b"WEBP" and length + 8 == len(body), "not a whole webp")
    if chunk == b"VP8X":
        return int.from_bytes(body[24:27], "little") + 1, int.from_bytes(body[27:30], "little") + 1
    if chunk == b"VP8L":
        bits = struct.unpack_from("<I", body, 21)[0]
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = struct.unpack_from("<HH", body, 26)
    return width & 0x3FFF, height & 0x3FFF


def _pdf(body: bytes) -> Size:
    _require(body.startswith(b"%PDF-") and b"%%EOF" in body[-64:], "not a whole pdf")
    return 0, 0


READERS: dict[str, Callable[[bytes], Size]] = {"png": _png, "jpeg": _jpeg, "webp": _webp, "pdf": _pdf}
