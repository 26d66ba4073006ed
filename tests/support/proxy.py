"""Runs the egress proxy alone: a gate with the test's resolver and sites, and a client that sends raw bytes."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Callable, Iterable

from engine.egress.gate import Gate, Limits, Stream
from engine.egress.proxy import Egress
from engine.egress.relay import open_connection
from engine.egress.socks import Reply
from engine.traffic import Traffic
from netguard import Guard

PUBLIC = "93.184.216.34"
GREETING = b"\x05\x01\x00"


class Resolver:
    """Returns its answers in order, then repeats the last one. Records the requested names."""

    def __init__(self, *answers: list[str] | Exception) -> None:
        self.answers = list(answers) or [[PUBLIC]]
        self.asked: list[str] = []

    def __call__(self, name: str) -> Iterable[str]:
        answer = self.answers[min(len(self.asked), len(self.answers) - 1)]
        self.asked.append(name)
        if isinstance(answer, Exception):
            raise answer
        return answer


LATE_SECONDS = 0.4  # of the echo server's answer to "late"


class World:
    """Connects every address to one echo server on loopback, and records it in `dialled`.

    The server ends after "bye", does not answer "mute", and answers late to "late". It repeats "reset" and resets the
    connection at once.
    """

    def __init__(self) -> None:
        self.dialled: list[tuple[str, int]] = []
        self.failures: dict[str, OSError] = {}
        self.streams: list[Stream] = []
        self.port = 0

    async def connect(self, host: str, port: int) -> Stream:
        self.dialled.append((host, port))
        if host in self.failures:
            raise self.failures[host]
        return await open_connection("127.0.0.1", self.port)

    async def echo(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.streams.append((reader, writer))
        with contextlib.suppress(OSError):
            while (chunk := await reader.read(1 << 16)) and chunk != b"bye":
                if chunk == b"late":
                    await asyncio.sleep(LATE_SECONDS)
                if chunk != b"mute":
                    writer.write(chunk)
                if chunk == b"reset":
                    now = struct.pack("ii", 1, 0)
                    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, now)
                    break
        writer.close()


class Proxy:
    def __init__(self, egress: Egress, gate: Gate, world: World, traffic: Traffic) -> None:
        self.egress, self.gate, self.world, self.traffic = egress, gate, world, traffic
        self.url = egress.url
        self.greeting, self.greeted = GREETING, b"\x05\x00"

    async def send(self, sent: bytes) -> Stream:
        host, port = self.url.removeprefix("socks5://").split(":")
        stream = await asyncio.open_connection(host, int(port))
        self.world.streams.append(stream)
        stream[1].write(sent)
        return stream

    async def ask(self, request: bytes) -> tuple[int, Stream]:
        """Greet, send `request`, and return the reply's code and the stream."""
        stream = await self.send(self.greeting + request)
        assert await stream[0].readexactly(len(self.greeted)) == self.greeted
        answer = await stream[0].readexactly(10)
        return answer[1], stream


async def refused(proxy: Proxy, request: bytes) -> None:
    code, (reader, writer) = await proxy.ask(request)
    assert code == Reply.NOT_ALLOWED
    assert await reader.read() == b""
    writer.close()


def name(host: str, port: int = 80) -> bytes:
    return b"\x05\x01\x00\x03" + bytes([len(host)]) + host.encode() + port.to_bytes(2)


def ipv4(host: str, port: int = 80) -> bytes:
    return b"\x05\x01\x00\x01" + socket.inet_pton(socket.AF_INET, host) + port.to_bytes(2)


def ipv6(host: str, port: int = 80) -> bytes:
    return b"\x05\x01\x00\x04" + socket.inet_pton(socket.AF_INET6, host) + port.to_bytes(2)


@contextlib.asynccontextmanager
async def running_proxy(
    lookup: Callable[[str], Iterable[str]] | None = None,
    limits: Limits | None = None,
    *,
    network: bool = True,
    **rules: object,
) -> AsyncIterator[Proxy]:
    world, traffic = World(), Traffic()
    gate = Gate(Guard(lookup=lookup or Resolver(), **rules), 1, limits, world.connect)
    site = await asyncio.start_server(world.echo, "127.0.0.1", 0)
    world.port = site.sockets[0].getsockname()[1]
    egress = Egress(gate, traffic, network=network)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        await egress.open(listener)
        try:
            yield Proxy(egress, gate, world, traffic)
        finally:
            await egress.close()
            site.close()
            for _, writer in world.streams:
                writer.transport.abort()
            await asyncio.sleep(0)  # the transports notify their protocols
