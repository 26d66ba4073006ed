"""The 43 ways in which a page can make a browser open a connection, one page each.

`VICTIM` is replaced by the victim's host and port, `OWN` by a path of the page's own site. A page adds `#done` when it
knows the outcome, or after 600 ms.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.support.site import Site

HEAD = """<!doctype html><body><script>
const done = () => { const mark = document.createElement('i'); mark.id = 'done'; document.body.append(mark) };
setTimeout(done, 600);
</script>"""
IMAGE = "<img src='http://VICTIM/'>"
WORKER = "new Worker(URL.createObjectURL(new Blob([`{}`])))"
SOCKET = "const socket = new WebSocket('ws://VICTIM/'); "
FETCH = "fetch('http://VICTIM/', {mode: 'no-cors'})"


@dataclass(frozen=True)
class Vector:
    """A page. `own` is a second resource of its site. With `leaves`, the page itself navigates to the victim."""

    page: str = ""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    own: str = ""
    own_redirects: bool = False
    leaves: bool = False

    def serve(self, site: Site, name: str, victim: str) -> str:
        """Add the page to `site` and return its URL."""
        path = f"/{name}"

        def filled(text: str) -> str:
            return text.replace("VICTIM", victim).replace("OWN", f"{path}-own")

        headers = {key: filled(value) for key, value in self.headers.items()}
        if self.own_redirects:
            site.add(f"{path}-own", status=302, headers={"Location": f"http://{victim}/"})
        else:
            site.add(f"{path}-own", filled(self.own), content_type="text/javascript")
        return site.add(path, filled(HEAD + self.page), status=self.status, headers=headers)

    def document(self, site: Site, name: str, victim: str) -> str:
        """Return the page as HTML to send, which has no server: what needs one, it shows in a frame, or leads to."""
        url = self.serve(site, name, victim)
        if self.headers or self.own:
            there = f"<script>location = '{url}'</script>" if self.leaves else f"<iframe src='{url}'></iframe>"
            return HEAD + there
        return (HEAD + self.page).replace("VICTIM", victim).replace("OWN", f"{url}-own")


def script(text: str) -> Vector:
    return Vector(f"<script>{text}</script>")


def style(text: str) -> Vector:
    return Vector(f"<style>{text}</style><p>text</p>")


def element(text: str) -> Vector:
    return Vector(text)


def service_worker(text: str) -> Vector:
    return Vector("<script>navigator.serviceWorker.register('OWN')</script>", own=text)


VECTORS = {
    "302": Vector(status=302, headers={"Location": "http://VICTIM/"}, leaves=True),
    "refresh-header": Vector(headers={"Refresh": "0; url=http://VICTIM/"}, leaves=True),
    "meta-refresh": Vector("<meta http-equiv=refresh content='0; url=http://VICTIM/'>", leaves=True),
    "location": Vector("<script>location = 'http://VICTIM/'</script>", leaves=True),
    "form-post": Vector(
        "<form id=f method=post action='http://VICTIM/'></form><script>f.submit()</script>", leaves=True
    ),
    "img": element("<img src='http://VICTIM/' onerror=done()>"),
    "img-302": Vector("<img src=OWN onerror=done()>", own_redirects=True),
    "css": element("<link rel=stylesheet href='http://VICTIM/' onerror=done()>"),
    "css-url": style("body { background: url(http://VICTIM/) }"),
    "css-import": style("@import url(http://VICTIM/);"),
    "font": style("@font-face { font-family: own; src: url(http://VICTIM/font.woff2) } p { font-family: own }"),
    "script": element("<script src='http://VICTIM/' onerror=done()></script>"),
    "dynamic-import": script("import('http://VICTIM/').catch(done)"),
    "iframe": element("<iframe src='http://VICTIM/' onload=done()></iframe>"),
    "object": element("<object data='http://VICTIM/' type=image/png onerror=done()></object>"),
    "embed": element("<embed src='http://VICTIM/' type=image/png>"),
    "video": element("<video src='http://VICTIM/' preload=auto onerror=done()></video>"),
    "svg-image": element("<svg><image href='http://VICTIM/' onerror=done() /></svg>"),
    "fetch": script(f"{FETCH}.catch(done)"),
    "keepalive-fetch": script("fetch('http://VICTIM/', {mode: 'no-cors', keepalive: true}).catch(done)"),
    "xhr": script("const x = new XMLHttpRequest(); x.open('GET', 'http://VICTIM/'); x.onerror = done; x.send()"),
    "beacon": script("navigator.sendBeacon('http://VICTIM/', 'x')"),
    "event-source": script("new EventSource('http://VICTIM/').onerror = done"),
    "ping": element("<a id=a href='#x' ping='http://VICTIM/'>x</a><script>a.click()</script>"),
    "csp-report": Vector(
        "<img src=/blocked.png>",
        headers={"Content-Security-Policy": "img-src 'none'; report-uri http://VICTIM/"},
    ),
    "preload": element("<link rel=preload as=image href='http://VICTIM/' onerror=done()>"),
    "modulepreload": element("<link rel=modulepreload href='http://VICTIM/' onerror=done()>"),
    "prefetch": element("<link rel=prefetch href='http://VICTIM/'>"),
    "download-link": Vector("<a id=a download href='http://VICTIM/'>x</a><script>a.click()</script>", leaves=True),
    "srcdoc-frame": element(f'<iframe srcdoc="{IMAGE}"></iframe>'),
    "data-frame": element(f'<iframe src="data:text/html,{IMAGE}"></iframe>'),
    "blob-frame": script(
        f"""const frame = document.createElement('iframe');
        frame.src = URL.createObjectURL(new Blob([`{IMAGE}`], {{type: 'text/html'}})); document.body.append(frame)"""
    ),
    "worker-fetch": script(WORKER.format(FETCH)),
    "websocket": script(f"{SOCKET} socket.onerror = done"),
    "worker-websocket": script(WORKER.format(SOCKET)),
    "shared-worker": Vector("<script>new SharedWorker('OWN')</script>", own=FETCH),
    "service-worker-fetch": service_worker(f"oninstall = event => event.waitUntil({FETCH})"),
    "service-worker-websocket": service_worker(SOCKET),
    "window-open": script("open('http://VICTIM/')"),
    "speculation-prefetch": element(
        """<script type=speculationrules>
        {"prefetch": [{"source": "list", "urls": ["http://VICTIM/"], "eagerness": "immediate"}]}</script>"""
    ),
    "webtransport": Vector("<script>new WebTransport('https://VICTIM/').ready.catch(done)</script>"),
    "stun": Vector(
        """<script>const peer = new RTCPeerConnection({iceServers: [{urls: 'stun:VICTIM'}]});
        peer.createDataChannel('x'); peer.createOffer().then(offer => peer.setLocalDescription(offer))</script>""",
    ),
    "turn": Vector(
        """<script>const peer = new RTCPeerConnection(
          {iceServers: [{urls: 'turn:VICTIM?transport=tcp', username: 'u', credential: 'c'}]});
        peer.createDataChannel('x'); peer.createOffer().then(offer => peer.setLocalDescription(offer))</script>""",
    ),
}


# Several vectors in one page, which is as good where each is tried alone elsewhere. Neighbours in the table may use the same
# names, so they are in different pages.
STAYING = [name for name, vector in VECTORS.items() if not vector.leaves]
SHARED = [tuple(STAYING[number::10]) for number in range(10)]


def together(site: Site, victims: Mapping[str, str]) -> str:
    """Return one document of several vectors, each with the address of its own victim. It waits 600 ms for all of them."""
    documents = (VECTORS[name].document(site, name, victim) for name, victim in victims.items())
    head = HEAD.replace("const done =", "const done = () => 0, all_done =").replace(
        "setTimeout(done", "setTimeout(all_done"
    )
    return head + "".join(each.removeprefix(HEAD) for each in documents)
