"""Recognises a WebSocket by the first bytes of its connection. Pure."""

_HELLO, _ALPN_HTTP1, _ALPN_HTTP2 = b"\x16", b"\x08http/1.1", b"\x02h2"


def begins_websocket(first: bytes) -> bool:
    """Return whether a browser's first bytes ask for a WebSocket: RFC 6455, section 4.1.

    In TLS only the names of protocols can be read (RFC 7301). Chromium offers HTTP/1.1 alone for a WebSocket, and HTTP/2
    as well for everything else.
    """
    if first.startswith(_HELLO):
        return _ALPN_HTTP1 in first and _ALPN_HTTP2 not in first
    return b"\r\nupgrade: websocket\r\n" in first.lower()
