"""The whole service as it runs: gunicorn, Redis, the engine and Chromium, on a page that the test serves."""

import io
import json
import os
import resource
import signal
import socket
import subprocess
import threading
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import pytest
import requests
from PIL import Image

from tests.support.engine import running_engine
from tests.support.processes import wait_until
from tests.support.redis import RedisServer, running_redis
from tests.support.screenshot_api import ScreenshotAPI, running_screenshot_api
from tests.support.site import running_site
from tests.support.web import running_web, running_web_process

RED_ABOVE_BLUE = """<!doctype html><title>t</title><style>body {margin: 0} div {height: 360px}</style>
<div style="background: #e00000"></div><div style="background: #0000e0"></div>"""
IMG = {"Accept": "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"}


@pytest.fixture(scope="module")
def site():
    with running_site() as pages:
        pages.add("/page", RED_ABOVE_BLUE)
        pages.add("/gone", "gone", status=410)
        yield pages


@pytest.fixture(scope="module")
def service(site, tmp_path_factory):
    folder = tmp_path_factory.mktemp("service")
    with (
        running_redis() as redis,
        running_engine(PRIVATE_TARGETS=site.address) as engine,
        running_web(
            folder / "web.log",
            redis_url=redis.url,
            capture_url=engine.url,
            private_targets=site.address,
            persist_dir=folder / "media",
        ) as url,
    ):
        yield url


def thumb(service, site, path="/page", headers=None, **options):
    return requests.get(f"{service}/thumb", {"url": site.url(path), **options}, headers=headers, timeout=60)


class Running(NamedTuple):
    """The URL of the web process, with its Redis and its screenshot API."""

    url: str
    redis: RedisServer
    api: ScreenshotAPI


@contextmanager
def running_service(folder, web_concurrency=1, **settings):
    """Run the web process with its own Redis and its own screenshot API."""
    with (
        running_redis() as redis,
        running_screenshot_api("snapsharp", "sk_live_test") as api,
        running_web(
            folder / "web.log",
            redis_url=redis.url,
            snapsharp_api_key="sk_live_test",
            capture_url=api.url,
            resolve_targets="false",
            persist_dir=folder / "media",
            web_concurrency=web_concurrency,
            **settings,
        ) as url,
    ):
        yield Running(url, redis, api)


def test_a_page_becomes_a_picture_with_its_size_and_colours(service, site):
    first = thumb(service, site, w=320)
    second = thumb(service, site, w=320)
    image = Image.open(io.BytesIO(first.content)).convert("RGB")

    assert (first.headers["X-Cache"], second.headers["X-Cache"]) == ("MISS", "HIT")
    assert image.size == (320, 180)
    assert image.getpixel((160, 40)) == (224, 0, 0)
    assert image.getpixel((160, 140)) == (0, 0, 224)
    assert second.content == first.content


def test_a_permanent_picture_has_the_bytes_of_the_shown_one(service, site):
    shown = thumb(service, site, w=200, format="webp")
    answer = requests.post(
        f"{service}/persist", json={"url": site.url("/page"), "w": 200, "format": "webp"}, timeout=60
    )

    assert answer.status_code == 201
    assert requests.get(answer.json()["url"], timeout=60).content == shown.content


@pytest.mark.parametrize("path", ["/thumb", "/v1/screenshot"])
def test_a_page_is_captured_with_the_callers_own_headers_cookies_and_script(service, site, path):
    private = {
        "headers": {"X-Token": "for-the-page"},
        "cookies": [{"name": "session", "value": "of-the-caller"}],
        "js": "document.querySelector('div').style.background = 'lime'",
    }
    wanted = {"url": site.url("/page"), "width": 400, "height": 300}
    answer = requests.post(service + path, json=wanted | private, timeout=60)
    sent = next(seen.headers for seen in reversed(site.requests) if seen.path == "/page")
    public = requests.get(service + path, wanted, timeout=60)

    assert (sent["X-Token"], sent["Cookie"]) == ("for-the-page", "session=of-the-caller")
    assert answer.headers["Cache-Control"].startswith("private")
    colours = [Image.open(io.BytesIO(each.content)).convert("RGB").getpixel((200, 100)) for each in (answer, public)]
    assert colours == [(0, 255, 0), (224, 0, 0)]


@pytest.mark.parametrize("letter", ["x", "é", "語", "😀", '"'])
@pytest.mark.parametrize("path", ["/thumb", "/v1/screenshot"])
def test_the_longest_body_that_the_service_takes_is_one_for_the_engine_too(service, site, path, letter):
    """The engine counts bytes as the service writes them, with the options that the service adds."""
    wanted = {"url": site.url("/page"), "width": 400, "height": 300, "quality": 81, "css": ""}
    room = (64 << 10) - len(json.dumps(wanted, ensure_ascii=False).encode()) - len("/**/")
    count = room // len(json.dumps(letter, ensure_ascii=False)[1:-1].encode())
    body = json.dumps(wanted | {"css": f"/*{letter * count}*/"}, ensure_ascii=False).encode()
    answer = requests.post(service + path, body, headers={"Content-Type": "application/json"}, timeout=60)

    assert answer.status_code == 200, answer.text


def test_without_a_trusted_proxy_forwarded_headers_are_ignored(service, site):
    lies = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "elsewhere.example", "X-Forwarded-Prefix": "/x"}
    made = requests.post(f"{service}/persist", json={"url": site.url("/page")}, headers=lies, timeout=60).json()

    assert made["url"].startswith(f"{service}/media/")


def test_a_page_with_an_error_status_gives_no_picture(service, site):
    told = thumb(service, site, "/gone")
    shown = thumb(service, site, "/gone", IMG, w=64)

    assert (told.status_code, told.json()["code"]) == (502, "page_status")
    assert (shown.status_code, shown.headers["X-Thumb-State"]) == (502, "error")
    assert Image.open(io.BytesIO(shown.content)).size == (64, 36)


def test_the_whole_service_is_ready(service):
    assert requests.get(f"{service}/ready", timeout=60).json()["ok"] is True


def logged(folder):
    return [json.loads(line) for line in (folder / "web.log").read_text().splitlines() if line.startswith("{")]


def test_captures_in_progress_delay_neither_hits_nor_health(tmp_path):
    """Two workers hold captures until the test releases them, and serve known pictures meanwhile."""
    with running_service(tmp_path, web_concurrency=2, thumb_limit="100 per minute", web_connections=64) as service:
        url, api = service.url, service.api
        known = requests.get(f"{url}/thumb", {"url": "https://example.com/"}, timeout=60)
        gate = threading.Event()
        api.hold(gate)
        # Sixteen cold pages. More callers want one of them than may wait.
        pages = [f"https://example.com/{min(i, 15)}" for i in range(200)]
        pending = [threading.Thread(target=requests.get, args=(f"{url}/thumb", {"url": page})) for page in pages]
        for thread in pending:
            thread.start()
        try:
            wait_until(lambda: len(api.calls) == 17, "sixteen captures in progress")
            for _ in range(50):
                hit = requests.get(f"{url}/thumb", {"url": "https://example.com/"}, timeout=10)
                assert (hit.headers["X-Cache"], hit.content) == ("HIT", known.content)
                assert requests.get(f"{url}/health", timeout=10).json()["ok"] is True
            assert sum(thread.is_alive() for thread in pending) >= 16
        finally:
            gate.set()
            for thread in pending:
                thread.join()
        wait_until(lambda: sum(each.get("cache") == "MISS" for each in logged(tmp_path)) >= 17, "the events")
        events = logged(tmp_path)
        assert {event["status"] for event in events if event["event"] == "request"} == {200, 503}


def test_a_redis_that_stops_responding_costs_one_time_out_and_no_picture(tmp_path):
    """Redis accepts connections and commands but never answers, which is worse than an outage."""
    with running_service(tmp_path, memory_cache_bytes=0, thumb_limit="3 per hour") as service:
        url, redis = service.url, service.redis

        def ask(path):
            return requests.get(f"{url}/thumb", {"url": f"https://example.com/{path}"}, timeout=60)

        assert ask("known").headers["X-Cache"] == "MISS"
        os.kill(redis.process.pid, signal.SIGSTOP)
        first = ask("known")
        answers = [first, *(ask(page) for page in range(3))]
        refused = ask("one-too-many")

    assert [answer.status_code for answer in answers] == [200, 200, 200, 200]
    # The known page has an original on disk.
    assert [answer.headers["X-Cache"] for answer in answers] == ["HIT", "BYPASS", "BYPASS", "BYPASS"]
    assert first.elapsed.total_seconds() < 3, "one time-out is a second, and it used to be four of them"
    assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited"), "counted in memory"


def unsent_body(address):
    client = socket.create_connection(address)
    client.sendall(
        b"POST /persist HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 999\r\n\r\n{"
    )
    return client


def unread_pictures(address):
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    client.connect(address)
    client.sendall(b"GET /thumb?url=https%3A%2F%2Fexample.com%2F&w=3840&h=3840 HTTP/1.1\r\nHost: x\r\n\r\n" * 40)
    return client


@pytest.fixture(scope="module")
def cramped(tmp_path_factory):
    """A service with room for four clients, each with a second to send or to read, and its log."""
    folder = tmp_path_factory.mktemp("cramped")
    with running_service(folder, web_connections=4, client_timeout=1) as service:
        yield service.url, folder / "web.log"


@pytest.mark.parametrize(("slow", "dripping"), [(unsent_body, False), (unsent_body, True), (unread_pictures, False)])
def test_slow_clients_do_not_stop_health(cramped, slow, dripping):
    """Clients on all connections send only a part of a body, or do not read their responses."""
    url, log = cramped
    before = log.stat().st_size
    with ExitStack() as clients:
        picture = requests.get(f"{url}/thumb", {"url": "https://example.com/", "w": 3840, "h": 3840}, timeout=60)
        assert picture.status_code == 200
        port = int(url.rsplit(":", 1)[1])
        connected = [clients.enter_context(slow(("127.0.0.1", port))) for _ in range(4)]
        over = threading.Event()

        def drip():
            while not over.wait(0.2):
                for client in connected:
                    with suppress(OSError):
                        client.send(b" ")

        dripper = threading.Thread(target=drip if dripping else lambda: None)
        dripper.start()
        try:
            assert requests.get(f"{url}/health", timeout=30).json()["ok"] is True
        finally:
            over.set()
            dripper.join()
    assert b"Traceback" not in log.read_bytes()[before:]


TELLING = "/thumb?url=http%3A%2F%2F93.184.216.34%2F%3Ftoken%3Ds3cret&sig=abc"
CHUNKED = "POST /persist HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
UNREADABLE = {
    "a line with an invalid host": (f"GET http://[bad{TELLING} HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "a line with too many words": (f"GET {TELLING} s3cret HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "an invalid method": (f"s3cret#? {TELLING} HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "a line that is too long": (f"GET {TELLING}{'x' * 9000} HTTP/1.1\r\nHost: x\r\n\r\n", 414),
    "a header without a colon": (f"GET {TELLING} HTTP/1.1\r\nHost: x\r\nX-API-Key correct-horse\r\n\r\n", 400),
    "a header name with a space": (f"GET {TELLING} HTTP/1.1\r\nHost: x\r\nX-API-Key correct-horse: 1\r\n\r\n", 400),
    "an invalid transfer coding": (
        f"GET {TELLING} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: correct-horse\r\n\r\n",
        501,
    ),
    "an invalid expectation": (f"GET {TELLING} HTTP/1.1\r\nHost: x\r\nExpect: correct-horse\r\n\r\n", 417),
    "an invalid chunk length": (f"{CHUNKED}s3cret\r\n\r\n", 400),
    "a chunk that is too long": (f"{CHUNKED}6\r\ns3crets3cret\r\n0\r\n\r\n", 400),
    "a chunk cut off": (f"{CHUNKED}f\r\ns3cret", 400),
    "a chunk that no view reads": (f"{CHUNKED.replace('/persist', '/nothing')}s3cret\r\n\r\n", 404),
    "a head cut off": (f"GET {TELLING} HTTP/1.1\r\nX-API-Key: correct-horse", None),
}


@pytest.fixture(scope="module")
def outspoken(tmp_path_factory):
    """A web process that logs as much as it can, and its log."""
    folder = tmp_path_factory.mktemp("outspoken")
    with running_service(folder, log_level="DEBUG") as service:
        yield service.url, folder / "web.log"


@pytest.mark.parametrize("what", UNREADABLE)
def test_a_malformed_request_is_refused_and_not_logged(outspoken, what):
    url, log = outspoken
    sent, status = UNREADABLE[what]
    before = log.stat().st_size
    host, _, port = url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), 30) as client:
        client.sendall(sent.encode())
        client.shutdown(socket.SHUT_WR)
        answer = client.makefile("rb").read()
    assert requests.get(f"{url}/health", timeout=30).ok, "the log of the first request has been written"

    said = log.read_bytes()[before:].decode()

    assert answer[9:12].decode() == str(status or "")
    assert "correct-horse" not in said
    assert "s3cret" not in said
    assert "Traceback" not in said


def test_an_unexpected_error_is_logged_without_the_query(tmp_path):
    log = tmp_path / "web.log"
    with running_web(log, app="tests.support.broken_app:app", web_concurrency=1) as url:
        for address in (TELLING, "/v1/s3cret/png?url=example.com", "/get/auth/blog-s3cret/https://example.com/s3cret"):
            assert requests.get(url + address, timeout=30).status_code == 500

    assert "Error handling request GET /thumb\n" in log.read_text()
    assert "Error handling request GET /v1/…\n" in log.read_text()
    assert "RuntimeError: broken" in log.read_text()
    assert "s3cret" not in log.read_text()


def test_a_large_picture_in_progress_does_not_delay_small_ones(tmp_path):
    """The encoder takes seconds. Other pictures, known or new, are served before it has finished."""
    with running_service(tmp_path) as service:
        thumb = f"{service.url}/thumb?url=https%3A%2F%2Fexample.com%2F"
        requests.get(thumb, timeout=60).raise_for_status()
        large = [f"{thumb}&w=2560&h=1440&format=avif&quality={quality}" for quality in (98, 99, 100)]
        pending = [threading.Thread(target=requests.get, args=(one,)) for one in large]
        for thread in pending:
            thread.start()
        answers = [requests.get(f"{thumb}&w={width}", timeout=60).status_code for width in (64, 64, 96, 96)]
        still_pending = sum(thread.is_alive() for thread in pending)
        for thread in pending:
            thread.join()

    assert answers == [200] * 4
    assert still_pending >= 2


def test_a_service_that_is_stopped_finishes_its_captures(tmp_path):
    """The caller does not wait and the process is stopped, but the paid capture is kept."""
    with running_redis() as redis, running_screenshot_api("snapsharp", "sk_live_test") as api:
        settings = {
            "redis_url": redis.url,
            "snapsharp_api_key": "sk_live_test",
            "capture_url": api.url,
            "resolve_targets": "false",
            "persist_dir": tmp_path / "media",
            "web_concurrency": 1,
        }
        gate = threading.Event()
        api.hold(gate)
        params = {"url": "https://example.com/", "wait": "0"}
        try:
            with running_web_process(tmp_path / "first.log", **settings) as (url, process):
                assert requests.get(f"{url}/thumb", params, timeout=60).status_code == 202
                wait_until(lambda: len(api.calls) == 1, "the capture")
                process.terminate()
                wait_until(lambda: refuses(url), "the listener to close")
                with pytest.raises(subprocess.TimeoutExpired):  # the process waits for its capture
                    process.wait(4)
                gate.set()
                assert process.wait(60) == 0
        finally:
            gate.set()
        with running_web(tmp_path / "second.log", **settings) as url:
            assert requests.get(f"{url}/thumb", params, timeout=60).headers["X-Cache"] == "HIT"
        assert len(api.calls) == 1


def test_a_worker_has_more_descriptors_than_connections(tmp_path):
    settings = {"web_concurrency": 1, "capture_url": "http://127.0.0.1:9", "persist_dir": tmp_path / "media"}
    with running_web_process(tmp_path / "web.log", ["prlimit", "--nofile=64:9000"], **settings) as (url, process):
        assert requests.get(f"{url}/health", timeout=30).status_code == 200
        (worker,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        assert resource.prlimit(int(worker), resource.RLIMIT_NOFILE) == (9000, 9000)


def refuses(url):
    try:
        requests.get(f"{url}/health", timeout=5)
    except requests.ConnectionError:
        return True
    return False


def test_invalid_settings_stop_the_start_and_are_named(tmp_path):
    log = tmp_path / "web.log"
    wrong = {"CAPTURE_TIMEOUT": "soon", "CAPTURE_API": "magic", "ALLOWED_PORTS": "80,http"}
    with pytest.raises(AssertionError), running_web(log, **wrong):
        pass
    said = log.read_text()
    assert "CAPTURE_TIMEOUT is invalid: set it to a number of seconds from 1 to 600" in said
    assert "engine, snapsharp, hermesforge or snapapi" in said
    assert "port numbers from 1 to 65535" in said
    assert "Traceback" not in said
