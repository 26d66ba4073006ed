"""Pages that come to rest some time after they have loaded. Each shows green then, and something else before.

`tests/engine/page/test_settled.py` captures them, and `bench/rightness.py` compares tools by them.
"""

import base64
import hashlib
import re
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.engine.page.test_options import GREEN, body, png
from tests.support.site import Site

SIZE = {"width": 400, "height": 300}
LATE = "/late.png"  # green, and 0.3 s late
# Each page fills the window with red (or leaves it white) and ends green.
BOX = "<div id=a style='position:fixed;inset:0;background:{}'></div>"


def script(text: str, box: str = "red") -> str:
    return body("white", BOX.format(box) + f"<script>const a = document.getElementById('a'); {text}</script>")


def image(markup: str, text: str = "") -> str:
    style = "<style>img, .b {position: fixed; inset: 0; width: 400px; height: 300px}</style>"
    return body("white", markup + f"<script>{text}</script>", style)


ALL_GREEN = "document.body.innerHTML = '<div style=\"position:fixed;inset:0;background:green\"></div>'"


def framed(path: str, style: str = "") -> str:
    """A frame of another site that fills the window."""
    return f"<iframe src=\"{{other}}{path}\" style='position:fixed;inset:0;width:400px;height:300px;border:0;{style}'></iframe>"


def canvas_of_worker(work: str, hand_over: str = "hand()") -> str:
    """A canvas that is red until a worker has done its `work` with the context `g`."""
    code = f"onmessage = ({{data}}) => {{ const g = data.getContext('2d'); {work} }}"
    return body(
        "white",
        f"<canvas id=c width=400 height=300 style='background:red'></canvas><script type=text/worker>{code}</script><script>"
        "const hand = () => { const code = new Blob([document.querySelector('script').textContent]), canvas = c.transferControlToOffscreen();"
        f" new Worker(URL.createObjectURL(code)).postMessage(canvas, [canvas]) }}; {hand_over}</script>",
    )


GREEN_NOW = "a.style.background = 'green'"
SHIMMER = """<style>@keyframes shimmer { to { background-position: 400px 0 } }
    .s { height: 60px; margin: 10px; background: linear-gradient(90deg, #eee, #ddd, #eee) 0 0/200px;
         animation: shimmer 1s infinite linear }</style>"""
PAGES = {
    "an image that is loaded lazily": image(f"<img loading=lazy src={LATE}>"),
    "an image that an observer sets": image(
        "<img id=i>", f"new IntersectionObserver(() => {{ i.src = '{LATE}' }}).observe(i)"
    ),
    "a background that an observer sets": image(
        "<div class=b id=i></div>",
        f"new IntersectionObserver(() => {{ i.style.background = 'url({LATE})' }}).observe(i)",
    ),
    "an image that a script adds after load": image(
        "", f"onload = () => setTimeout(() => document.body.insertAdjacentHTML('beforeend', '<img src={LATE}>'), 200)"
    ),
    "an image in an open shadow root": image(
        "<div id=h></div>", f"h.attachShadow({{mode: 'open'}}).innerHTML = '<img loading=lazy src={LATE} width=400 height=300>'"
    ),
    "an application that fetches its content": body(
        "white", f"<script>onload = async () => {{ await fetch('{LATE}'); document.body.style.background = 'green' }}</script>"
    ),
    "the same, with a word while it loads": body(
        "white", f"<p>Loading…</p><script>onload = async () => {{ await fetch('/slow.txt'); {ALL_GREEN} }}</script>"
    ),
    "an application that takes longer than it should": body(
        "white", "<script>onload = async () => { await fetch('/slower.txt'); document.body.style.background = 'green' }</script>"
    ),
    "a header above boxes that shimmer, and content that takes long": body(
        "white",
        f"<header>Shop</header><div class=s></div><div class=s></div><script>onload = async () => {{ await fetch('/slower.txt'); {ALL_GREEN} }}"
        "</script>",
        SHIMMER,
    ),
    "a logo, and content that takes long": body(
        "white", f"<img src={LATE} width=120 height=60><script>onload = async () => {{ await fetch('/slower.txt'); {ALL_GREEN} }}</script>"
    ),
    "a header that a script adds, and content that takes long": body(
        "white",
        "<script>onload = async () => { document.body.innerHTML = '<header>Shop</header>'; await fetch('/slower.txt');"
        f" {ALL_GREEN} }}</script>",
    ),
    "a menu of many words above boxes that shimmer": body(
        "white",
        f"<nav>{'Products and services ' * 15}</nav><div class=s></div><script>onload = async () => {{ await fetch('/slower.txt'); {ALL_GREEN} }}"
        "</script>",
        SHIMMER,
    ),
    "content that a service worker serves": body(
        "white",
        "<script>onload = async () => { const {serviceWorker} = navigator; await serviceWorker.register('/service.js');"
        " if (!serviceWorker.controller) await new Promise(resolve => { serviceWorker.oncontrollerchange = resolve });"
        f" await fetch('/content'); {ALL_GREEN} }}</script>",
    ),
    "words that go when a service worker has taken the page over": body(
        "red",
        "<p>Your edition is being prepared</p><script>const {serviceWorker} = navigator; if (serviceWorker.controller)"
        f" fetch('/content').then(() => {{ {ALL_GREEN} }}); else {{ serviceWorker.oncontrollerchange = () => location.reload();"
        " serviceWorker.register('/shell.js') }</script>",
    ),
    "an article that a service worker replaces after its installation": body(
        "red",
        f"<p>{'Some words of an article. ' * 20}</p><script>const {{serviceWorker}} = navigator;"
        f" serviceWorker.register('/shell.js').then(() => serviceWorker.ready).then(() => {{ {ALL_GREEN} }})</script>",
    ),
    "a shared worker that computes": body(
        "white", f"<script>onload = () => {{ new SharedWorker('/shared.js').port.onmessage = () => {{ {ALL_GREEN} }} }}</script>"
    ),
    "a module that takes long to compile": body(
        "white",
        "<script>onload = async () => { const code = await (await fetch('/big.wasm')).arrayBuffer();"
        f" for (let n = 0; n < 2; n++) await WebAssembly.compile(code); {ALL_GREEN} }}</script>",
    ),
    "an article that polls, and is not looked at for longer": body(
        "green",
        f"<p style=color:green>{'Some words of an article. ' * 20}</p><script>fetch('/never');"
        " setTimeout(() => { document.body.style.background = 'red' }, 4000)</script>",
    ),
    "a chain of timers": script(
        f"let n = 0; const next = () => ++n < 15 ? setTimeout(next, 100) : ({GREEN_NOW}); next()"
    ),
    "a motion by animation frames and the clock": script(
        "const began = performance.now(); const draw = now => { const t = Math.min((now - began) / 1500, 1);"
        f" if (t < 1) requestAnimationFrame(draw); else {GREEN_NOW} }}; requestAnimationFrame(draw)"
    ),
    "a motion by steps, one for each frame": script(
        "let n = 0; const draw = () => { a.style.opacity = n / 80; if (++n < 80) requestAnimationFrame(draw); else {"
        f" a.style.opacity = 1; {GREEN_NOW} }} }}; requestAnimationFrame(draw)"
    ),
    "a motion that begins late": script(
        "let n = 0; const draw = () => { a.style.opacity = n / 20; if (++n < 20) requestAnimationFrame(draw); else {"
        f" a.style.opacity = 1; {GREEN_NOW} }} }}; setTimeout(draw, 1200)"
    ),
    "content after a hundred animation frames that change nothing": script(
        f"let n = 0; const count = () => {{ if (++n < 100) requestAnimationFrame(count); else {GREEN_NOW} }}; count()"
    ),
    "an article that counts forty frames": body(
        "red",
        f"<p style=color:red>{'Some words of an article. ' * 20}</p><script>let n = 0; const count = () => {{ if (++n < 40)"
        f" requestAnimationFrame(count); else {ALL_GREEN} }}; count()</script>",
    ),
    "content after frames and pauses": script(
        "const frame = () => new Promise(requestAnimationFrame), pause = () => new Promise(done => setTimeout(done, 7));"
        f" (async () => {{ for (let n = 0; n < 40; n++) {{ await frame(); await pause() }} {GREEN_NOW} }})()"
    ),
    "content after sixty frames, counted from a timer on": script(
        f"let n = 0; const count = () => {{ if (++n < 60) requestAnimationFrame(count); else {GREEN_NOW} }};"
        " setTimeout(count, 850)"
    ),
    "content after thirty idle periods": script(
        f"let n = 0; const work = () => {{ if (++n < 30) requestIdleCallback(work); else {GREEN_NOW} }};"
        " onload = () => requestIdleCallback(work)"
    ),
    "content after idle periods, counted from a timer on, beside a motion": script(
        "a.animate({opacity: [0.5, 1]}, {duration: 400, iterations: 4}); let n = 0; const work = () => { if (++n < 30)"
        f" requestIdleCallback(work); else {{ a.getAnimations()[0]?.finish(); {GREEN_NOW} }} }}; setTimeout(work, 700)"
    ),
    "a frame of the same site that counts a hundred frames": body(
        "white",
        "<iframe style='position:fixed;inset:0;width:400px;height:300px;border:0' srcdoc='<body style=background:red><script>let n = 0;"
        " const count = () => { if (++n < 100) requestAnimationFrame(count); else document.body.style.background = &quot;green&quot; };"
        " count()</script>'></iframe>",
    ),
    "a chart on a canvas": body(
        "white",
        "<canvas id=c width=400 height=300></canvas><script>const g = c.getContext('2d'); let w = 0; (function draw() {"
        " g.fillStyle = 'green'; g.fillRect(0, 0, w += 8, 300); if (w < 420) requestAnimationFrame(draw) })()</script>",
    ),
    "a canvas that a worker draws by frames and by its clock": canvas_of_worker(
        "const began = performance.now(); (function draw() { const t = Math.min((performance.now() - began) / 1200, 1);"
        " g.fillStyle = 'green'; g.fillRect(0, 0, 400 * t, 300); if (t < 1) requestAnimationFrame(draw) })()"
    ),
    "a canvas that a worker draws by timers": canvas_of_worker(
        "let n = 0; (function draw() { g.fillStyle = 'green'; g.fillRect(0, 0, n += 10, 300); if (n < 400) setTimeout(draw, 25) })()"
    ),
    "a canvas that is handed to a worker later": canvas_of_worker(
        "let n = 0; (function draw() { g.fillStyle = 'green'; g.fillRect(0, 0, n += 10, 300); if (n < 400) requestAnimationFrame(draw) })()",
        "setTimeout(hand, 400)",
    ),
    "animations, one after the other": body(
        "white",
        BOX.format("red") + "<script>const a = document.getElementById('a'); a.animate({opacity: [1, 0]}, 900).onfinish = () =>"
        f" a.animate({{opacity: [0, 1]}}, 900).onfinish = () => {{ {GREEN_NOW} }}</script>",
    ),
    "an animation of ten seconds": body(
        "white",
        BOX.format("red"),
        "<style>@keyframes k { to { background: green } } #a { animation: k 10s linear forwards }</style>",
    ),
    "a redirect by script, later than load": script("onload = () => setTimeout(() => { location = '/green' }, 700)"),
    "a redirect by refresh, after a second": body("red", "", "<meta http-equiv=refresh content='1; url=/green'>"),
    "two redirects, one after the other": script("setTimeout(() => { location = '/hop' }, 300)"),
    "a page that reloads itself once": script(
        "if (document.cookie.includes('seen')) a.style.background = 'green'; else { document.cookie = 'seen=1';"
        " setTimeout(() => location.reload(), 400) }"
    ),
    "a page that waits for the focus": script(f"const go = () => {{ {GREEN_NOW} }}; document.hasFocus() ? go() : onfocus = go"),
    "a field that has the focus": body(
        "red", "<input autofocus style='border:0'>", "<style>body:has(:focus) { background: green !important }</style>"
    ),
    "a style for the mouse": body("green", "", "<style>body:hover { background: red !important }</style>"),
    "a frame of another site": body("white", framed("/green")),
    "a frame with a process of its own that waits for a timer": framed("/app?setTimeout(green, 1500)"),
    "a frame with a process of its own that fetches its content": framed("/app?fetch('/slow.txt').then(green)"),
    "a frame with a process of its own that comes late": script(
        f"setTimeout(() => {{ document.body.innerHTML = `{framed('/app?setTimeout(green, 500)')}` }}, 500)"
    ),
    "two frames that share a process of their own": framed("/app?setTimeout(green, 900)")
    + framed("/app?setTimeout(green, 900)", "left:200px"),
    "a page beside a frame that is busy without end": framed("/app?setTimeout(() => { for (;;); }, 100)", "opacity:0")
    + script(f"setTimeout(() => {{ {GREEN_NOW} }}, 1500)"),
    "a page that stops loading": script("onload = () => { a.style.background = 'red' }; a.style.background = 'green'; stop()"),
    "a page that starts a download": script("a.style.background = 'green'; location = '/file.bin'"),
    "a page that opens an application": script("a.style.background = 'green'; location = 'mailto:a@example.com'"),
    "a worker that computes": script(
        "const code = URL.createObjectURL(new Blob(['const end = Date.now() + 300; while (Date.now() < end); postMessage(1)']));"
        f" new Worker(code).onmessage = () => {{ {GREEN_NOW} }}"
    ),
    "a WebSocket that brings the content": script(
        f"const live = new WebSocket('ws://{{socket}}/'); live.onmessage = () => {{ {GREEN_NOW} }}"
    ),
    "a stream of events": script(f"new EventSource('/events').onmessage = () => {{ {GREEN_NOW} }}"),
    "a task that waits for the clock": script(
        f"onload = () => setTimeout(() => {{ const end = Date.now() + 50; while (Date.now() < end); {GREEN_NOW} }}, 100)"
    ),
    "a background that a late style brings": image(
        "<div class=b id=i></div>",
        f"onload = () => setTimeout(() => {{ i.style.background = 'url({LATE})' }}, 900)",
    ),
    "a timer beside a request without an answer": script(f"fetch('/never'); setTimeout(() => {{ {GREEN_NOW} }}, 1500)"),
    "a message that fades away later": body(
        "red",
        BOX.format("green"),
        "<style>@keyframes away { to { opacity: 0 } } #a { animation: away 1s 6s forwards }</style>",
    ),
    "text whose font comes late": body(
        "white",
        "<p style='position:fixed;inset:0;margin:0;overflow:hidden;color:green;font:400px/300px Late'>███</p><script>onload = () =>"
        " setTimeout(() => document.head.insertAdjacentHTML('beforeend', '<style>@font-face {"
        " font-family: Late; font-display: block; src: url(/late.ttf) }</style>'), 700)</script>",
    ),
    "content that follows an image without an answer": script(
        f"a.innerHTML = '<img src={{other}}/never>'; onload = async () => {{ await fetch('/slow.txt'); {GREEN_NOW} }}"
    ),
    "a page that a script replaces by document.write": body("red", "<script>onload = () => { document.open(); document.write('<body style=background:green>') }</script>"),
}  # fmt: skip
POINTS = ((20, 20), (200, 150), (380, 280))


def add_parts(site: Site) -> None:
    """Serve what the pages load."""
    green = png(400, 300, GREEN)
    site.add(LATE, green, content_type="image/png", late=0.3, headers={"Cache-Control": "no-store"})
    site.add("/slow.txt", "x", late=0.8)
    site.add("/slower.txt", "x", late=3)
    compute = "const end = Date.now() + 600; while (Date.now() < end); "
    script_type = "text/javascript"
    site.add(
        "/service.js",
        f"oninstall = () => {{ {compute} skipWaiting() }}; onactivate = event => event.waitUntil(clients.claim());"
        " onfetch = event => { if (event.request.url.endsWith('/content')) event.respondWith(new Response('x')) }",
        content_type=script_type,
    )
    site.add(
        "/shell.js",
        f"oninstall = event => event.waitUntil(caches.open('shell').then(shell => shell.addAll(['{LATE}']).then(() => skipWaiting())));"
        " onactivate = event => event.waitUntil(clients.claim());"
        " onfetch = event => { if (event.request.url.endsWith('/content')) event.respondWith(new Response('x')) }",
        content_type=script_type,
    )
    site.add(
        "/shared.js", f"onconnect = ({{ports}}) => {{ {compute} ports[0].postMessage(1) }}", content_type=script_type
    )
    site.add("/big.wasm", module(20_000), content_type="application/wasm")
    site.add("/late.ttf", gate=site.closing)
    site.add("/green", body("green"))
    # Only a document that asks for a process of its own gets one.
    app = body(
        "red",
        "<script>const green = () => { document.body.style.background = 'green' };"
        " onload = () => eval(unescape(location.search.slice(1)))</script>",
    )
    site.add("/app", app, headers={"Origin-Agent-Cluster": "?1"})
    site.add("/never", gate=site.closing)
    site.add("/events", "data: 1\n\n", content_type="text/event-stream", late=0.3)
    site.add("/hop", body("red", "<script>setTimeout(() => { location = '/green' }, 300)</script>"))
    site.add("/file.bin", b"x", content_type="application/octet-stream")


def module(functions: int) -> bytes:
    """Make a WebAssembly module of some functions, each of which takes nine bytes for each of its 100 lines."""

    def number(value: int) -> bytes:  # LEB128
        return bytes([value & 127 | 128]) + number(value >> 7) if value > 127 else bytes([value])

    def section(kind: int, content: bytes) -> bytes:
        return bytes([kind]) + number(len(content)) + content

    code = b"\0" + 100 * b"\x41\x01\x41\x02\x6a\x41\x03\x6a\x1a" + b"\x0b"
    count = number(functions)
    parts = {1: b"\1\x60\0\0", 3: count + functions * b"\0", 10: count + functions * (number(len(code)) + code)}
    return b"\0asm\1\0\0\0" + b"".join(section(*part) for part in parts.items())


def add_page(site: Site, path: str, content: str, socket: int) -> str:
    """Serve a page, and return its URL. `socket` is the port of `running_greeter`."""
    content = content.replace("{other}", f"http://localhost:{site.port}").replace("{socket}", f"127.0.0.1:{socket}")
    return site.add(path, content)


class Greeter(socketserver.BaseRequestHandler):
    """A WebSocket server that sends one message after 0.3 s."""

    def handle(self) -> None:
        head = self.request.recv(1 << 16).decode()
        key = re.search(r"Sec-WebSocket-Key: (\S+)", head)[1]
        accept = base64.b64encode(hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()).decode()
        upgrade = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        self.request.sendall(f"{upgrade}Sec-WebSocket-Accept: {accept}\r\n\r\n".encode())
        time.sleep(0.3)
        self.request.sendall(b"\x81\x05hello")
        self.request.recv(1)


@contextmanager
def running_greeter() -> Iterator[int]:
    """Run the WebSocket server, and yield its port."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Greeter) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()
