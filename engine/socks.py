"""The server's side of SOCKS5, RFC 1928: no authentication, CONNECT alone. Reads and judges nothing else."""

import asyncio
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Address, IPv6Address
from typing import Self

import netguard

VERSION, NO_AUTHENTICATION, NO_METHOD, CONNECT = 5, 0, 0xFF, 1
IPV4, NAME, IPV6 = 1, 3, 4


class Reply(IntEnum):
    GRANTED = 0
    FAILED = 1
    NOT_ALLOWED = 2
    UNREACHABLE = 4
    BAD_COMMAND = 7
    BAD_ADDRESS = 8

    def __bytes__(self) -> bytes:
        """With the address that a client may not know: all zero."""
        return bytes([VERSION, self, 0, IPV4, 0, 0, 0, 0, 0, 0])


class Denied(Exception):
    """The client gets no connection. `reply` is what it should be told; nothing to one that speaks no SOCKS5."""

    def __init__(self, reply: bytes = b"") -> None:
        super().__init__()
        self.reply = reply


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a connection shall go: a name in lower case without root dot, or an address in its canonical spelling."""

    host: str
    port: int

    @classmethod
    def of(cls, host: str, port: int) -> Self:
        address = netguard.literal(host)
        return cls(str(address) if address else host.lower().removesuffix("."), port)


async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Destination:
    """Shake hands and read what is wanted. Raises Denied, also for a client that hangs up."""
    try:
        await _read_greeting(reader)
        writer.write(bytes([VERSION, NO_AUTHENTICATION]))
        return await _read_request(reader)
    except asyncio.IncompleteReadError:
        raise Denied from None


async def _read_greeting(reader: asyncio.StreamReader) -> None:
    version, count = await reader.readexactly(2)
    if version != VERSION:
        raise Denied
    if NO_AUTHENTICATION not in await reader.readexactly(count):
        raise Denied(bytes([VERSION, NO_METHOD]))


async def _read_request(reader: asyncio.StreamReader) -> Destination:
    version, command, _, kind = await reader.readexactly(4)
    if version != VERSION:
        raise Denied
    host = await _read_host(reader, kind)
    port = int.from_bytes(await reader.readexactly(2))
    if command != CONNECT:
        raise Denied(bytes(Reply.BAD_COMMAND))
    return Destination.of(host, port)


async def _read_host(reader: asyncio.StreamReader, kind: int) -> str:
    if kind == IPV4:
        return str(IPv4Address(await reader.readexactly(4)))
    if kind == IPV6:
        return str(IPv6Address(await reader.readexactly(16)))
    if kind != NAME:
        raise Denied(bytes(Reply.BAD_ADDRESS))
    (length,) = await reader.readexactly(1)
    try:
        return (await reader.readexactly(length)).decode("ascii")
    except UnicodeDecodeError:
        raise Denied(bytes(Reply.BAD_ADDRESS)) from None
