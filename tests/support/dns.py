"""A name server on loopback that answers one name with an address that the test may change."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass
class NameServer:
    """Answers each question for an IPv4 address with `address`, and all others with nothing."""

    port: int
    address: str
    asked: int = 0

    def answer(self, query: bytes) -> bytes:
        self.asked += 1
        end = query.index(b"\0", 12) + 5  # the name, its type and its class
        kind = struct.unpack("!H", query[end - 4 : end - 2])[0]
        found = b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 1, 4) + socket.inet_aton(self.address) if kind == 1 else b""
        return query[:2] + struct.pack("!HHHHH", 0x8180, 1, bool(found), 0, 0) + query[12:end] + found


@contextmanager
def running_name_server(address: str) -> Iterator[NameServer]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        server = NameServer(listener.getsockname()[1], address)

        def serve() -> None:
            while True:
                query, client = listener.recvfrom(512)
                if not query:  # the end, below
                    return
                listener.sendto(server.answer(query), client)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
                last.sendto(b"", ("127.0.0.1", server.port))
            thread.join()
