"""Services on loopback that no page may reach. Each records all connections and datagrams."""

import selectors
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

ANSWER = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"


@dataclass
class Victim:
    """TCP and UDP on one port."""

    tcp: socket.socket
    udp: socket.socket
    hits: list[str] = field(default_factory=list)
    hit: threading.Event = field(default_factory=threading.Event)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def port(self) -> int:
        return self.tcp.getsockname()[1]

    def accept(self) -> None:
        connection, _ = self.tcp.accept()
        self._record("tcp")
        with connection:
            connection.sendall(ANSWER)

    def receive(self) -> None:
        self.udp.recv(2048)
        self._record("udp")

    def _record(self, kind: str) -> None:
        self.hits.append(kind)
        self.hit.set()


def _open() -> Victim:
    while True:
        tcp, udp = socket.create_server(("127.0.0.1", 0)), socket.socket(type=socket.SOCK_DGRAM)
        try:
            udp.bind(tcp.getsockname())
        except OSError:  # another socket uses the port for UDP
            tcp.close()
            udp.close()
        else:
            return Victim(tcp, udp)


@contextmanager
def running_victims(count: int) -> Iterator[list[Victim]]:
    victims = [_open() for _ in range(count)]
    ended, end = socket.socketpair()
    with selectors.DefaultSelector() as selector, ended, end:
        selector.register(ended, selectors.EVENT_READ, None)
        for victim in victims:
            selector.register(victim.tcp, selectors.EVENT_READ, victim.accept)
            selector.register(victim.udp, selectors.EVENT_READ, victim.receive)
        thread = threading.Thread(target=_serve, args=(selector,))
        thread.start()
        try:
            yield victims
        finally:
            end.send(b"\0")
            thread.join()
            for victim in victims:
                victim.tcp.close()
                victim.udp.close()


def _serve(selector: selectors.BaseSelector) -> None:
    while True:
        for key, _ in selector.select():
            if key.data is None:
                return
            with suppress(OSError):
                key.data()
