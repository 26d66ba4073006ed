"""A fake of the hosted screenshot APIs on loopback: draws pictures instead of browsing, and misbehaves on request.

    with running_screenshot_api("snapsharp", key="k") as api:
        api.behave(refuse(429, "rate_limited", headers={"Retry-After": "1"}), times=2)
        ...
        assert len(api.calls) == 3

It has its own copy of the contracts, independent of the tables under test.
"""

import functools
import hashlib
import io
import json
import struct
import sys
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from PIL import Image, ImageDraw

PATHS = {
    "engine": "/v1/screenshot",
    "snapsharp": "/v1/screenshot",
    "hermesforge": "/api/screenshot",
    "snapapi": "/v1/screenshot",
}
HTML_PATHS = {"engine": "/v1/html-to-image", "snapsharp": "/v1/html-to-image"}
TYPES = {
    "png": "image/png",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "avif": "image/avif",
    "pdf": "application/pdf",
}
# The devices of the tests, as the APIs name them: width, height, scale.
DEVICES = {
    "iPhone SE": (375, 667, 2),
    "iPhone 14": (390, 844, 3),
    "iphone-14": (390, 844, 3),
    "iphone-15-pro": (393, 852, 3),
    "ipad-pro-11": (834, 1194, 2),
}
# name → the allowed values: a type, a set, or a pair of limits
SNAPSHARP = {
    "url": str,
    "width": (320, 3840),
    "height": (240, 2160),
    "format": {"png", "jpeg", "webp", "pdf"},
    "quality": (1, 100),
    "full_page": bool,
    "retina": bool,
    "delay": (0, 10_000),
    "wait_for": str,
    "wait_until": {"load", "domcontentloaded", "networkidle"},
    "dark_mode": bool,
    "block_ads": bool,
    "block_cookie_banners": bool,
    "block_chats": bool,
    "hide_selectors": str,
    "css": str,
    "js": str,
    "click": str,
    "clip": dict,
    "headers": dict,
    "cookies": list,
    "scroll_y": (0, 65_535),
    "bypass_csp": bool,
    "block_trackers": bool,
    "user_agent": str,
    "device": {*DEVICES},
}
OPTIONS: dict[str, dict[str, Any]] = {
    "snapsharp": SNAPSHARP,
    "engine": {
        **SNAPSHARP,
        "wait_until": {"settled", "load", "domcontentloaded", "networkidle"},
        "scale": (1, 3),
        "selector": str,
        "clip": str,
        "max_height": (240, 16_384),
        "error_pages": {"refuse", "show"},
        "ignore_https_errors": bool,
        "reduced_motion": bool,
        "locale": str,
        "timezone": str,
    },
    "hermesforge": {
        "url": str,
        "width": (1, 10_000),
        "height": (1, 10_000),
        "format": {"png", "jpeg", "webp", "pdf"},
        "full_page": bool,
        "delay": (0, 5000),
        "block_ads": bool,
    },
    "snapapi": {
        "url": str,
        "width": (100, 3840),
        "height": (100, 2160),
        "format": {"png", "jpeg", "webp", "avif", "pdf"},
        "quality": (1, 100),
        "fullPage": bool,
        "deviceScaleFactor": (1, 3),
        "delay": (0, 30_000),
        "waitUntil": {"load", "domcontentloaded", "networkidle"},
        "waitForSelector": str,
        "selector": str,
        "hideSelectors": list,
        "darkMode": bool,
        "reducedMotion": bool,
        "locale": str,
        "timezone": str,
        "userAgent": str,
        "device": {*DEVICES},
        "blockAds": bool,
        "blockCookieBanners": bool,
        "blockChatWidgets": bool,
        "blockTrackers": bool,
        "css": str,
        "javascript": str,
        "clickSelector": str,
        "extraHeaders": dict,
        "cookies": list,
    },
}


# Of the APIs that draw HTML: what they take with it.
HTML_OPTIONS: dict[str, dict[str, Any]] = {
    "snapsharp": {
        "html": str,
        "width": (100, 3840),
        "height": (100, 2160),
        "format": {"png", "jpeg", "webp"},
        "cache": bool,
        "cache_ttl": (0, 86_400),
    },
    "engine": {
        **{name: rule for name, rule in OPTIONS["engine"].items() if name != "url"},
        "html": str,
        "network": bool,
        "transparent": bool,
        "width": (100, 3840),
        "height": (100, 2160),
    },
}


@dataclass(frozen=True)
class Call:
    """One request for a picture, as received: query values are strings, JSON values have their own types."""

    method: str
    path: str
    params: Mapping[str, Any]
    headers: Mapping[str, str]
    peer: int


@dataclass
class ScreenshotAPI:
    """A running fake. `latency` is in seconds before each response. `calls` are in order, without health checks."""

    dialect: str
    key: str | None
    latency: float = 0.0
    calls: list[Call] = field(default_factory=list)
    url: str = ""
    healthy: bool = True
    closing: threading.Event = field(default_factory=threading.Event)
    _scripts: list["Script"] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _faults: list[BaseException] = field(default_factory=list)

    def reset(self) -> None:
        """Forget all calls and every behaviour."""
        with self._lock:
            self.calls, self._scripts = [], []
        self.latency, self.healthy = 0.0, True

    def behave(self, behaviour: "Behaviour", *, times: int = 1, url: str | None = None) -> None:
        """Answer the next `times` calls by `behaviour`: all calls, or those that capture `url`."""
        with self._lock:
            self._scripts.append(Script(behaviour, times, url))

    def hold(self, gate: threading.Event, url: str | None = None) -> None:
        """Hold all responses, or those about `url`, until `gate` is set or the fake closes."""

        def behaviour(answer: "Answer") -> None:
            while not gate.wait(0.05) and not self.closing.is_set():
                pass
            picture(answer)

        self.behave(behaviour, times=sys.maxsize, url=url)

    def record(self, call: Call) -> "Behaviour":
        """Record a call and return its behaviour."""
        with self._lock:
            self.calls.append(call)
            for script in self._scripts:
                if script.left > 0 and script.url in (None, call.params.get("url")):
                    script.left -= 1
                    return script.behaviour
        return picture


@dataclass
class Script:
    behaviour: "Behaviour"
    left: int
    url: str | None


class Answer(BaseHTTPRequestHandler):
    """One connection. A behaviour writes to it by `reply`, or by `head` and `body`."""

    protocol_version = "HTTP/1.1"
    api: ScreenshotAPI
    params: dict[str, Any]

    def do_GET(self) -> None:
        if urlsplit(self.path).path in {"/health", "/"}:
            self.reply(200 if self.api.healthy else 503, b'{"status": "ok"}', {"Content-Type": "application/json"})
            return
        self._answer(dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True)))

    def do_POST(self) -> None:
        self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def _answer(self, params: dict[str, Any]) -> None:
        self.params = params
        call = Call(self.command, self.path, params, dict(self.headers), self.client_address[1])
        behaviour = self.api.record(call)
        self.api.closing.wait(self.api.latency)
        behaviour(self)

    def reply(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.head(status, {"Content-Length": str(len(body)), **headers})
        self.body(body)

    def head(self, status: int, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def body(self, data: bytes) -> None:
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


Behaviour = Callable[[Answer], None]


@contextmanager
def running_screenshot_api(dialect: str = "snapsharp", key: str | None = None) -> Iterator[ScreenshotAPI]:
    """Run the fake on a free port of loopback. Its own exceptions, not those of its client, are raised at the end."""
    api = ScreenshotAPI(dialect, key)
    server = _Server(("127.0.0.1", 0), type("BoundAnswer", (Answer,), {"api": api}))
    server.api = api
    api.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield api
    finally:
        api.closing.set()
        server.shutdown()
        thread.join()
        server.hang_up()
        server.server_close()
    for fault in api._faults:
        raise fault


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # so that `server_close` waits for them
    api: ScreenshotAPI

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._open: set[Any] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """Close idle keep-alive connections, whose threads wait for the next request."""
        for connection in list(self._open):
            try:
                connection.shutdown(2)
            except OSError:  # the client has just closed the connection
                continue

    def handle_error(self, request: Any, client_address: Any) -> None:
        fault = sys.exc_info()[1]
        if fault is not None and not isinstance(fault, ConnectionError):
            self.api._faults.append(fault)


# Normal behaviours: the requested picture, or a refusal in the dialect's words.


def picture(answer: Answer) -> None:
    """Respond as documented."""
    api = answer.api
    path = urlsplit(answer.path).path
    if path not in (PATHS[api.dialect], HTML_PATHS.get(api.dialect)):
        refuse(404, "not_found", "no such path")(answer)
    elif api.key is not None and not _knows(api, answer.headers):
        refuse(401, "unauthorized", "the key is not known")(answer)
    elif fault := _fault(api.dialect, answer.params, answer.command, html=path != PATHS[api.dialect]):
        refuse(400, "validation_error", fault)(answer)
    else:
        body, content_type = drawn(answer)
        answer.reply(200, body, {"Content-Type": content_type})


def with_mark(width: int, height: int) -> "Behaviour":
    """Draw the usual page with a white mark of `width` × `height` pixels at its centre."""

    def behaviour(answer: "Answer") -> None:
        image = Image.open(io.BytesIO(drawn(answer)[0]))
        left, top = image.width // 2, image.height // 2
        ImageDraw.Draw(image).rectangle((left, top, left + width - 1, top + height - 1), fill="white")
        target = io.BytesIO()
        image.save(target, "PNG")
        answer.reply(200, target.getvalue(), {"Content-Type": "image/png"})

    return behaviour


def sized(width: int, height: int, colour: str | None = None) -> "Behaviour":
    """Draw a picture of this size instead of the requested one, in a single `colour` if that is set."""

    def behaviour(answer: "Answer") -> None:
        image = Image.new("RGB", (width, height), colour or "white")
        if colour is None:
            ImageDraw.Draw(image).ellipse((0, 0, width // 2, height // 2), fill="red")
        target = io.BytesIO()
        image.save(target, "PNG")
        answer.reply(200, target.getvalue(), {"Content-Type": "image/png"})

    return behaviour


def blank(answer: "Answer") -> None:
    """Draw a blank page."""
    sized(1280, 720, "white")(answer)


def refuse(
    status: int,
    code: str = "",
    message: str = "",
    *,
    headers: Mapping[str, str] | None = None,
    nested: bool = False,
    extras: Mapping[str, Any] | None = None,
    body: bytes | None = None,
) -> Behaviour:
    """Refuse in the dialect's envelope (`nested`: SnapAPI's other one), with `extras` in it, or with `body` as it is."""

    def behaviour(answer: Answer) -> None:
        envelope = _envelope(answer.api.dialect, status, code, message, nested=nested)
        envelope |= extras or {}
        content = json.dumps(envelope).encode() if body is None else body
        answer.reply(status, content, {"Content-Type": "application/json", **(headers or {})})

    return behaviour


def _envelope(dialect: str, status: int, code: str, message: str, *, nested: bool) -> dict[str, Any]:
    if dialect == "hermesforge":
        return {"message": message}
    if dialect == "snapapi":
        if nested:
            return {"error": {"code": code.upper(), "message": message, "details": {}}}
        return {"statusCode": status, "error": code.upper(), "message": message}
    return {"error": code, "message": message, "status": status}


def _knows(api: ScreenshotAPI, headers: Any) -> bool:
    bearer = headers.get("Authorization") == f"Bearer {api.key}" and api.dialect != "hermesforge"
    return bearer or headers.get("X-API-Key") == api.key


def _fault(dialect: str, params: Mapping[str, Any], method: str, *, html: bool) -> str:
    subject = "html" if html else "url"
    if not params.get(subject):
        return f"{subject} is required"
    if html and method != "POST":
        return f"{method} is not supported"
    if method != ("POST" if dialect == "snapapi" else "GET") and dialect in {"snapapi", "hermesforge"}:
        return f"{method} is not supported"
    known = (HTML_OPTIONS if html else OPTIONS)[dialect]
    for name, value in params.items():
        if name not in known:
            return f"{name} is not an option"
        if not _fits(known[name], value, typed=method == "POST"):
            return f"{name} is out of range"
    return ""


def _fits(rule: Any, value: Any, *, typed: bool) -> bool:
    if rule is bool:
        return isinstance(value, bool) if typed else value in {"true", "false"}
    if isinstance(rule, tuple):
        number = value if typed else float(value) if value.replace(".", "", 1).isdecimal() else -1
        return isinstance(number, int | float) and not isinstance(number, bool) and rule[0] <= number <= rule[1]
    return value in rule if isinstance(rule, set) else isinstance(value, rule)


def drawn(answer: Answer) -> tuple[bytes, str]:
    """Draw the requested picture. Returns its bytes and content type."""
    params = answer.params
    usual = DEVICES.get(params.get("device"), (800, 600, 1) if "html" in params else (1280, 720, 1))
    retina = {True: 2, False: 1}[_on(params["retina"])] if "retina" in params else usual[2]
    scale = float(params.get("scale") or params.get("deviceScaleFactor") or retina)
    width, height = int(params.get("width", usual[0])), int(params.get("height", usual[1]))
    if params.get("selector"):
        width, height = width // 2, height // 3
    elif _on(params.get("full_page", params.get("fullPage"))):
        height = min(height * 3, int(params.get("max_height", 3 * height)))
    wanted = str(params.get("format", "png"))
    return render(str(params.get("html") or params["url"]), round(width * scale), round(height * scale), wanted), TYPES[
        wanted
    ]


@functools.lru_cache(maxsize=64)
def render(url: str, width: int, height: int, image_format: str) -> bytes:
    """Draw a page for `url`: its own background colour and some blocks, never blank."""
    red, green, blue = hashlib.sha256(url.encode()).digest()[:3]
    image = Image.new("RGB", (width, height), (red, green, blue))
    draw = ImageDraw.Draw(image)
    for top in range(20, height - 20, 80):
        draw.rectangle((20, top, width - 20 - top % (width // 2), top + 40), fill=(255 - red, top % 256, 255 - blue))
    draw.text((30, 30), url[:80], fill=(255, 255, 255))
    buffer = io.BytesIO()
    image.save(buffer, image_format.upper())
    return buffer.getvalue()


def _on(value: object) -> bool:
    return value in (True, "true")


# Misbehaviours. Pass each to `behave` directly, or call it with its arguments first.


def content_length_short(answer: Answer) -> None:
    """Announce a shorter body than is sent."""
    body, content_type = drawn(answer)
    answer.head(200, {"Content-Type": content_type, "Content-Length": str(len(body) // 2)})
    answer.body(body)


def content_length_long(answer: Answer) -> None:
    """Announce a longer body than is sent, then hang up: a truncated body."""
    body, content_type = drawn(answer)
    answer.head(200, {"Content-Type": content_type, "Content-Length": str(len(body) + 1000), "Connection": "close"})
    answer.body(body)
    answer.close_connection = True


def chunks_cut_off(answer: Answer) -> None:
    """Hang up in the middle of a chunked body."""
    body, content_type = drawn(answer)
    answer.head(200, {"Content-Type": content_type, "Transfer-Encoding": "chunked", "Connection": "close"})
    answer.body(b"%x\r\n" % len(body) + body[: len(body) // 2])
    answer.close_connection = True


def truncated(answer: Answer) -> None:
    """Send half a picture as if it were whole."""
    body, content_type = drawn(answer)
    answer.reply(200, body[: len(body) // 2], {"Content-Type": content_type})


def empty(answer: Answer) -> None:
    """Send a picture of 0 bytes."""
    answer.reply(200, b"", {"Content-Type": "image/png"})


def picture_with(status: int, headers: Mapping[str, str] | None = None) -> Behaviour:
    """Send the picture with another status than 200."""

    def behaviour(answer: Answer) -> None:
        body, content_type = drawn(answer)
        answer.reply(status, body, {"Content-Type": content_type, **(headers or {})})

    return behaviour


def html(answer: Answer) -> None:
    """Send a page with 200."""
    answer.reply(200, b"<!doctype html><title>Sign in</title>", {"Content-Type": "text/html; charset=utf-8"})


def html_called_png(answer: Answer) -> None:
    """Send a page with 200 and the content type of a PNG."""
    answer.reply(200, b"<!doctype html><title>Sign in</title>", {"Content-Type": "image/png"})


def untyped(answer: Answer) -> None:
    """Send the picture without a content type."""
    answer.reply(200, drawn(answer)[0], {})


def wrong_type(answer: Answer) -> None:
    """Send a GIF with the content type of a PNG."""
    buffer = io.BytesIO()
    Image.new("P", (32, 24)).save(buffer, "GIF")
    answer.reply(200, buffer.getvalue(), {"Content-Type": "image/png"})


def gzip_bomb(answer: Answer) -> None:
    """Send 200 MB of zeros, gzipped, as a picture."""
    answer.reply(200, _bomb(), {"Content-Type": "image/png", "Content-Encoding": "gzip"})


@functools.cache
def _bomb() -> bytes:
    packer = zlib.compressobj(9, wbits=31)
    block = bytes(2**20)
    return b"".join(packer.compress(block) for _ in range(200)) + packer.flush()


def huge_png_header(answer: Answer) -> None:
    """Send a PNG whose header promises 10⁹ pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 31_623, 31_623, 8, 2, 0, 0, 0))
    body = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    answer.reply(200, body, {"Content-Type": "image/png"})


def announced(length: str) -> Behaviour:
    """Announce a body of `length`, send a few bytes of it, then nothing."""

    def behaviour(answer: Answer) -> None:
        answer.head(200, {"Content-Type": "image/png", "Content-Length": length, "Connection": "close"})
        answer.body(b"\x89PNG")
        silence(answer)

    return behaviour


def endless(status: int = 200, headers: Mapping[str, str] | None = None) -> Behaviour:
    """Never stop sending."""

    def behaviour(answer: Answer) -> None:
        answer.head(status, {"Content-Type": "image/png", "Connection": "close", **(headers or {})})
        answer.close_connection = True
        while not answer.api.closing.is_set():
            answer.body(bytes(64 * 1024))

    return behaviour


def stalled(seconds: float) -> Behaviour:
    """Pause between the head and the picture."""

    def behaviour(answer: Answer) -> None:
        body, content_type = drawn(answer)
        answer.head(200, {"Content-Type": content_type, "Content-Length": str(len(body))})
        answer.api.closing.wait(seconds)
        answer.body(body)

    return behaviour


def drip(answer: Answer) -> None:
    """Send the picture byte by byte, some 20 per second."""
    body, content_type = drawn(answer)
    answer.head(200, {"Content-Type": content_type, "Content-Length": str(len(body))})
    _slowly(answer, body)


def drip_head(answer: Answer) -> None:
    """Send the headers byte by byte, some 20 per second."""
    _slowly(answer, b"HTTP/1.1 200 OK\r\nX-Padding: " + b"x" * 60_000)


def _slowly(answer: Answer, data: bytes) -> None:
    for byte in data:
        answer.body(bytes([byte]))
        if answer.api.closing.wait(0.05):
            return


def redirect(to: str) -> Behaviour:
    """Redirect the client, for example to an internal address."""
    return lambda answer: answer.reply(302, b"", {"Location": to})


def reset(answer: Answer) -> None:
    """Hang up without a response."""
    answer.close_connection = True


def silence(answer: Answer) -> None:
    """Send nothing until the API closes."""
    answer.api.closing.wait()
    answer.close_connection = True
