"""Seals what is kept where bytes may get lost or change: with a checksum, and the time until which it is kept."""

import struct
import time
import zlib

_SEAL = struct.Struct(">4sdI")  # version, Unix time, CRC-32 of all before it
_VERSION = b"tho1"
SEAL_BYTES = _SEAL.size


class BrokenSeal(ValueError):
    """The value was cut off or changed, or another version of this service wrote it."""


def seal(value: bytes, until: float) -> bytes:
    """Append the seal of `value`, which is kept `until` (Unix seconds)."""
    checked = zlib.crc32(_SEAL.pack(_VERSION, until, 0), zlib.crc32(value))
    return value + _SEAL.pack(_VERSION, until, checked)


def read_until(end: bytes) -> float:
    """Return until when a sealed value is kept (Unix seconds), by its last SEAL_BYTES alone. Raises BrokenSeal."""
    if len(end) != SEAL_BYTES:
        raise BrokenSeal("it is too short")
    version, until, _ = _SEAL.unpack(end)
    if version != _VERSION:
        raise BrokenSeal("another version has sealed it")
    return float(until)


def unseal(sealed: bytes | bytearray) -> memoryview | None:
    """Return the value, or None if its time is over. Raises BrokenSeal."""
    if len(sealed) < _SEAL.size:
        raise BrokenSeal("it is too short")
    value = memoryview(sealed)[: -_SEAL.size]
    version, until, checked = _SEAL.unpack_from(sealed, len(value))
    if version != _VERSION or checked != zlib.crc32(_SEAL.pack(_VERSION, until, 0), zlib.crc32(value)):
        raise BrokenSeal("its checksum differs")
    return value if time.time() < until else None
