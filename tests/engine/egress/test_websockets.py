"""A WebSocket is recognised by the first bytes of its connection, in plain text and inside TLS."""

import ssl

import pytest

from engine.egress.websockets import begins_websocket


def hello(*protocols: str) -> bytes:
    """The first bytes of a TLS client that offers `protocols`."""
    context, sent = ssl.create_default_context(), ssl.MemoryBIO()
    if protocols:
        context.set_alpn_protocols(protocols)
    client = context.wrap_bio(ssl.MemoryBIO(), sent, server_hostname="example.com")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return sent.read()


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        (b"GET /live HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n\r\n", True),
        (b"GET /page HTTP/1.1\r\nHost: example.com\r\nUpgrade-Insecure-Requests: 1\r\n\r\n", False),
        (hello("http/1.1"), True),
        (hello("h2", "http/1.1"), False),
        (hello(), False),
    ],
    ids=["upgrade", "page", "TLS for a WebSocket", "TLS for pages", "TLS without names"],
)
def test_a_websocket_is_recognised(first: bytes, expected: bool):
    assert begins_websocket(first) is expected
