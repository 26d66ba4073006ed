"""Reads and writes SOCKS5 (RFC 1928) with CONNECT, Tor's RESOLVE and a HOLD command of our own. Judges nothing.

RESOLVE looks up a name: https://spec.torproject.org/socks-extensions. Unlike Tor, which sends one address, the outlet
sends a reply for each address, then closes the connection. A user name (RFC 1929) does not authenticate: as with Tor,
it groups the connections of one capture. HOLD ties their lifetime to its own connection.
"""

import asyncio
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Self

import netguard
from netguard import Address

VERSION, NO_AUTHENTICATION, USER_NAME, NO_METHOD = 5, 0, 2, 0xFF
SUBNEGOTIATION, SUCCESS = 1, 0  # RFC 1929
CONNECT, RESOLVE, HOLD = 1, 0xF0, 0xF2
IPV4, NAME, IPV6 = 1, 3, 4
GREETING = bytes([VERSION, 1, NO_AUTHENTICATION])
GREETED = bytes([VERSION, NO_AUTHENTICATION])
USER_ACCEPTED = bytes([VERSION, USER_NAME, SUBNEGOTIATION, SUCCESS])


class Reply(IntEnum):
    GRANTED = 0
    FAILED = 1
    NOT_ALLOWED = 2
    UNREACHABLE = 4
    REFUSED = 5
    TIMED_OUT = 6  # "TTL expired", as Tor uses it
    BAD_COMMAND = 7
    BAD_ADDRESS = 8

    def __bytes__(self) -> bytes:
        """Encode the reply. Its address is all zero, as clients must not learn it."""
        return bytes([VERSION, self, 0, IPV4, 0, 0, 0, 0, 0, 0])


class Denied(Exception):
    """The client gets `reply` instead of a connection. It is empty for a client that does not speak SOCKS5."""

    def __init__(self, reply: bytes = b"") -> None:
        super().__init__()
        self.reply = reply


@dataclass(frozen=True, slots=True)
class Destination:
    """The target of a connection: a lower-case name without root dot, or an address in canonical spelling."""

    host: str
    port: int

    @classmethod
    def canonical(cls, host: str, port: int) -> Self:
        address = netguard.literal(host)
        return cls(str(address) if address else host.lower().removesuffix("."), port)


@dataclass(frozen=True, slots=True)
class Request:
    command: int
    destination: Destination
    user: bytes = b""  # from the greeting, not part of the encoded request

    def __bytes__(self) -> bytes:
        return (
            bytes([VERSION, self.command, 0]) + _encode_host(self.destination.host) + self.destination.port.to_bytes(2)
        )


def greeting_with_user(user: bytes) -> bytes:
    """Encode the greeting and the user name together: with only one method on offer, there is no need to wait."""
    name = bytes([len(user)]) + user
    return (
        bytes([VERSION, 1, USER_NAME, SUBNEGOTIATION]) + name + name
    )  # the name is the password too, which must not be empty


def resolved(address: Address) -> bytes:
    """Encode the reply to a RESOLVE with `address`."""
    return bytes([VERSION, Reply.GRANTED, 0]) + _encode_host(str(address)) + bytes(2)


def read_resolved(answer: bytes) -> list[str]:
    """Decode the addresses from all replies to a RESOLVE. Raises ValueError and LookupError."""
    found = []
    while answer:
        end = 4 + {IPV4: 4, IPV6: 16}[answer[3]]
        found.append(str(ip_address(answer[4:end])))
        answer = answer[end + 2 :]
    return found


async def accept(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *commands: int, users: bool = False
) -> Request:
    """Shake hands and read a request for one of `commands`, with a user name if `users` is set.

    Raises Denied, also if the client closes the connection.
    """
    try:
        methods = await _read_methods(reader)
        user = await _read_user(reader, writer) if users and USER_NAME in methods else _greet(writer, methods)
        request = await _read_request(reader, user)
    except asyncio.IncompleteReadError:
        raise Denied from None
    if request.command not in commands:
        raise Denied(bytes(Reply.BAD_COMMAND))
    return request


def _encode_host(host: str) -> bytes:
    address = netguard.literal(host)
    if address is None:
        return bytes([NAME, len(host)]) + host.encode("ascii")
    return bytes([IPV4 if address.version == 4 else IPV6]) + address.packed


async def _read_methods(reader: asyncio.StreamReader) -> bytes:
    version, count = await reader.readexactly(2)
    if version != VERSION:
        raise Denied
    return await reader.readexactly(count)


def _greet(writer: asyncio.StreamWriter, methods: bytes) -> bytes:
    if NO_AUTHENTICATION not in methods:
        raise Denied(bytes([VERSION, NO_METHOD]))
    writer.write(GREETED)
    return b""


async def _read_user(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    writer.write(USER_ACCEPTED[:2])
    version, length = await reader.readexactly(2)
    if version != SUBNEGOTIATION:
        raise Denied
    *user, length = await reader.readexactly(length + 1)
    await reader.readexactly(length)
    writer.write(USER_ACCEPTED[2:])
    return bytes(user)


async def _read_request(reader: asyncio.StreamReader, user: bytes) -> Request:
    version, command, _, kind = await reader.readexactly(4)
    if version != VERSION:
        raise Denied
    host = await _read_host(reader, kind)
    port = int.from_bytes(await reader.readexactly(2))
    return Request(command, Destination.canonical(host, port), user)


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
