"""Headers and cookies of the caller reach the page's own origin, and no other one: real sites see what they are sent."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.engine.page.test_hostile_pages import failure
from tests.engine.page.test_options import GREEN, body, colour
from tests.support.engine import Engine, eventually, running_engine
from tests.support.site import Site, running_site

SMALL = {"width": 400, "height": 300, "format": "jpeg"}
HEADERS = {"X-Key": "s3cret-header", "Accept-Language": "tlh"}
COOKIES = [{"name": "session", "value": "s3cret-cookie"}]
WITH_BOTH = {"headers": HEADERS, "cookies": COOKIES}


@dataclass(frozen=True)
class World:
    """A page's own site, and two other origins: another port of its host, and another host."""

    engine: Engine
    own: Site
    port: Site
    host: Site

    @property
    def others(self) -> tuple[Site, Site]:
        return self.port, self.host

    def post(self, url: str, **options: object):
        return self.engine.post("/v1/screenshot", json={"url": url, **SMALL, **options})


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with running_site() as own, running_site() as port, running_site("127.0.0.2") as host:
        exempt = ",".join(site.address for site in (own, port, host))
        with running_engine(PRIVATE_TARGETS=exempt, ENGINE_CONCURRENCY=2, ENGINE_FILTER_LISTS="/nowhere.txt") as engine:
            yield World(engine, own, port, host)


def sent(site: Site, path: str) -> dict[str, str]:
    """Return the headers of the last request of `path`, by their names in lower case."""
    (*_, last) = [seen for seen in site.requests if seen.path == path]
    return {name.lower(): value for name, value in last.headers.items()}


def has_both(headers: dict[str, str]) -> bool:
    wanted = {"x-key": "s3cret-header", "accept-language": "tlh", "cookie": "session=s3cret-cookie"}
    return {name: headers.get(name) for name in wanted} == wanted


def has_neither(headers: dict[str, str]) -> bool:
    return "s3cret" not in str(headers) and headers.get("accept-language") != "tlh"


def test_the_page_and_its_parts_get_headers_and_cookies(world: World):
    page = """text<img src=/own.png><iframe src=/own-frame></iframe><script>fetch('/own-fetch');
        fetch('/own-post', {method: 'POST', body: 'x'}); new Worker('/own-worker.js')</script>"""
    world.own.add("/own-worker.js", "fetch('/own-worker-fetch')", content_type="text/javascript")
    world.own.add("/own-frame", "<img src=/own-frame.png>")
    assert world.post(world.own.add("/own", body("green", page)), **WITH_BOTH).status_code == 200
    parts = ".png", "-frame", "-fetch", "-post", "-worker.js", "-worker-fetch", "-frame.png"
    for path in ("/own", *(f"/own{part}" for part in parts)):
        assert has_both(sent(world.own, path)), path
    assert sent(world.own, "/own-post")["content-length"] == "1", "the body is lost"


def test_scripts_of_the_page_see_the_cookies(world: World):
    """Many a caller sends a consent cookie, which a script of the page reads."""
    script = (
        "<script>document.body.style.background = document.cookie === 'consent=yes; b=2' ? 'green' : 'red'</script>"
    )
    url = world.own.add("/reading", body("red", f"text{script}"))
    cookies = [{"name": "consent", "value": "yes", "path": "/"}, {"name": "b", "value": "2", "domain": "127.0.0.1"}]
    assert colour(world.post(url, cookies=cookies, format="png"), (300, 200)) == GREEN


def test_a_cookie_is_sent_below_its_path_alone(world: World):
    world.own.add("/a/in.png")
    url = world.own.add("/path", body("green", "<img src=/a/in.png>"))
    world.post(url, cookies=[{"name": "c", "value": "1", "path": "/a"}])
    assert "cookie" not in sent(world.own, "/path")
    assert sent(world.own, "/a/in.png")["cookie"] == "c=1"


def test_parts_of_other_origins_get_neither(world: World):
    framed = "<script>document.write(`<img src=/framed-${document.cookie.length}.png>`)</script>"
    for other in world.others:
        other.add("/framed", framed, headers={"Set-Cookie": "theirs=1"})
        other.add("/script.js", "", content_type="text/javascript")
        other.add(
            "/fetched",
            "",
            headers={"Access-Control-Allow-Origin": world.own.url("")[:-1], "Access-Control-Allow-Credentials": "true"},
        )
        world.own.add("/moved.png", status=302, headers={"Location": other.url("/moved-to.png")})
        page = f"""text<img src={other.url("/image.png")}><img src=/moved.png><iframe src={other.url("/framed")}></iframe>
            <script src={other.url("/script.js")}></script><script>
            fetch('{other.url("/fetched")}', {{credentials: 'include'}});
            const code = "fetch('{other.url("/from-worker")}', {{mode: 'no-cors', credentials: 'include'}})";
            new Worker(URL.createObjectURL(new Blob([code])))</script>"""
        assert world.post(world.own.add("/embedding", body("green", page)), **WITH_BOTH).status_code == 200
        eventually(lambda other=other: other.hits("/from-worker"))
        for path in ("/image.png", "/moved-to.png", "/framed", "/script.js", "/fetched", "/from-worker"):
            assert has_neither(sent(other, path)), (other.address, path)


@pytest.mark.parametrize("how", ["redirect", "script", "refresh", "click"])
def test_another_origin_to_which_the_page_leads_gets_neither(world: World, how: str):
    for other in world.others:
        back = world.own.add("/back.png")
        there = other.add("/there", body("green", f"text<img src=/there.png><img src={back}>"))
        url = {
            "redirect": lambda there: world.own.add("/leave", status=302, headers={"Location": there}),
            "script": lambda there: world.own.add("/leave", body("red", f"<script>location = '{there}'</script>")),
            "refresh": lambda there: world.own.add("/leave", headers={"Refresh": f"0; url={there}"}),
            "click": lambda there: world.own.add("/leave", body("red", f"<a href={there}>text</a>")),
        }[how](there)
        answer = world.post(url, format="png", **WITH_BOTH, **({"click": "a"} if how == "click" else {}))
        assert colour(answer, (300, 200)) == GREEN
        assert has_both(sent(world.own, "/leave"))
        assert has_neither(sent(other, "/there"))
        assert has_neither(sent(other, "/there.png"))
        assert "x-key" not in sent(world.own, "/back.png"), "another origin's page sends the caller's headers"


def test_a_redirect_from_another_origin_does_not_bring_the_headers_back(world: World):
    world.own.add("/bounced.png")
    bouncing = world.host.add("/bounce.png", status=302, headers={"Location": world.own.url("/bounced.png")})
    world.post(world.own.add("/bouncing", body("green", f"text<img src={bouncing}>")), headers=HEADERS)
    assert "x-key" not in sent(world.own, "/bounced.png")


@pytest.fixture
def handshakes() -> Iterator[tuple[int, list[str]]]:
    """A port that notes what is sent to it, such as the handshake of a WebSocket."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        noted: list[str] = []

        def note() -> None:
            with contextlib.suppress(OSError):  # the server is closed
                while True:
                    connection, _ = server.accept()
                    with connection:
                        noted.append(connection.recv(1 << 16).decode())

        noting = threading.Thread(target=note)
        noting.start()
        yield server.getsockname()[1], noted
        server.shutdown(socket.SHUT_RDWR)
        noting.join()


def test_what_no_page_sends_by_itself_gets_neither(world: World):
    """A frame with a process of its own, service and shared workers, and speculation have no part in the page's requests."""
    fetching = "fetch('{url}', {{mode: 'no-cors', credentials: 'include'}})"
    for name in ("service", "shared"):
        script = fetching.format(url=world.port.url(f"/{name}"))
        world.own.add(f"/{name}.js", script, content_type="text/javascript")
    framed = "<img src=/apart.png><script>new Image().src = '/apart-' + document.cookie.length</script>"
    world.port.add("/apart", framed, headers={"Origin-Agent-Cluster": "?1"})
    rules = f'{{"prefetch": [{{"source": "list", "urls": ["{world.port.url("/speculative")}"]}}]}}'
    page = f"""text<iframe src={world.port.url("/apart")}></iframe><script>
        navigator.serviceWorker.register('/service.js'); new SharedWorker('/shared.js')</script>
        <script type=speculationrules>{rules}</script>"""
    assert world.post(world.own.add("/around", body("green", page)), **WITH_BOTH).status_code == 200
    for path in ("/service", "/shared", "/apart", "/apart.png", "/apart-0", "/speculative"):
        eventually(lambda path=path: world.port.hits(path))
        assert has_neither(sent(world.port, path)), path


def test_a_web_socket_to_another_port_gets_neither(site: Site, handshakes: tuple[int, list[str]]):
    port, noted = handshakes
    url = site.add("/socket", body("green", f"text<script>new WebSocket('ws://127.0.0.1:{port}')</script>"))
    with running_engine(
        PRIVATE_TARGETS=f"{site.address},127.0.0.1:{port}", ENGINE_FILTER_LISTS="/nowhere.txt"
    ) as engine:
        assert engine.post("/v1/screenshot", json={"url": url, **SMALL, **WITH_BOTH}).status_code == 200
    assert has_both(sent(site, "/socket"))
    assert "s3cret" not in eventually(lambda: noted)[0]


def test_a_frame_of_another_origin_cannot_read_what_the_headers_open(world: World):
    """An API with tokens is open to all origins, as no browser sends a token that a script does not know."""
    world.own.add("/api", "private", headers={"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Headers": "*"})
    world.own.add("/jsonp.js", "", content_type="text/javascript")
    world.own.add("/own-again", "<img src=/again.png>")
    asking = "fetch('{url}').catch(() => 0)"
    worker = asking.format(url=world.own.url("/api?by=worker"))
    for other in world.others:
        other.add("/reads", f"""<script src={world.own.url("/jsonp.js")}></script><script>
            {asking.format(url=world.own.url("/api?by=frame"))}; const inner = document.createElement('iframe');
            document.documentElement.append(inner); inner.contentWindow.{asking.format(url=world.own.url("/api?by=blank"))};
            new Worker(URL.createObjectURL(new Blob(["{worker}"])))</script>""")  # fmt: skip
        page = f"text<iframe src={other.url('/reads')}></iframe><iframe src=/own-again></iframe>"
        before = len(world.own.requests)
        assert world.post(world.own.add("/reading-frames", body("green", page)), headers=HEADERS).status_code == 200
        by = ("/jsonp.js", "/api?by=frame", "/api?by=blank", "/api?by=worker")
        eventually(lambda before=before, by=by: {*by} <= {seen.path for seen in world.own.requests[before:]})
        for seen in world.own.requests[before:]:
            has = "s3cret-header" in seen.headers.values()
            assert has == (seen.path in ("/reading-frames", "/own-again", "/again.png")), (other.address, seen.path)


def test_a_frame_that_goes_elsewhere_is_another_origin_at_once(world: World):
    there = world.host.add("/gone-there", f"<script src={world.own.url('/jsonp.js')}></script>")
    world.own.add("/jsonp.js", "", content_type="text/javascript")
    world.own.add("/going", f"<script>location = '{there}'</script>")
    url = world.own.add("/with-going", body("green", "text<iframe src=/going></iframe>"))
    before = len(world.own.requests)
    assert world.post(url, headers=HEADERS).status_code == 200
    has = {seen.path: "X-Key" in seen.headers for seen in world.own.requests[before:]}
    assert has == {"/with-going": True, "/going": True, "/jsonp.js": False}


def test_a_host_whose_name_begins_alike_is_another_origin(world: World):
    """`http://127.0.0.1:80` begins `http://127.0.0.1:8000`, and a user name may look like a host."""
    page = f"text<img src=http://{world.own.address}@{world.host.address}/user.png>"
    world.post(world.own.add("/alike", body("green", page)), **WITH_BOTH)
    assert all(has_neither(seen) for seen in [{"all": str(world.host.requests)}])


def test_the_next_capture_has_neither(world: World):
    url = world.own.add("/neighbour", body("green", "text"))
    world.post(url, **WITH_BOTH)
    assert has_both(sent(world.own, "/neighbour"))
    world.post(url)
    assert has_neither(sent(world.own, "/neighbour"))
    assert "cookie" not in sent(world.own, "/neighbour")


def test_the_page_may_replace_a_cookie_of_the_caller(world: World):
    world.own.add("/renewed.png")
    url = world.own.add("/renewing", body("green", "text<img src=/renewed.png>"), headers={"Set-Cookie": "session=new"})
    world.post(url, **WITH_BOTH)
    assert sent(world.own, "/renewed.png")["cookie"] == "session=new"


def test_a_cookie_that_the_browser_refuses_is_named(world: World):
    answer = world.post(world.own.url("/own"), cookies=[{"name": "__Http-s3cret", "value": "s3cret"}])
    assert failure(answer) == (400, "cookie_refused", "cookies: the browser refuses one of them")


def test_headers_leave_advertisements_blocked(site: Site, tmp_path):
    ads = tmp_path / "ads.txt"
    ads.write_text("/ad_728.js$script\n")
    site.add("/ad_728.js", "document.body.style.background = 'red'", content_type="text/javascript")
    url = site.add("/with-ad", body("green", "text<script src=/ad_728.js></script>"))
    with running_engine(PRIVATE_TARGETS=site.address, ENGINE_FILTER_LISTS=ads) as engine:
        options = {"url": url, "headers": HEADERS, "block_ads": True, "width": 400, "height": 300}
        assert colour(engine.post("/v1/screenshot", json=options), (300, 200)) == GREEN
    assert sent(site, "/with-ad")["x-key"] == "s3cret-header"
