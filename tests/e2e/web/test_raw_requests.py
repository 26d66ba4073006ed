"""Requests as old, odd and busy clients send them, byte by byte, to gunicorn with the shipped configuration."""

import json
import socket
import time
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import pytest

from tests.support.processes import wait_until
from tests.support.screenshot_api import running_screenshot_api
from tests.support.web import running_web

THUMB = b"/thumb?url=https%3A%2F%2Fexample.com%2F"
COOKIES = b"; ".join(b"c%d=" % i + b"x" * 510 for i in range(64))  # 32 kB


@pytest.fixture(scope="module")
def web(redis_server, tmp_path_factory):
    """A web process that trusts no proxy, its screenshot API and its log."""
    folder = tmp_path_factory.mktemp("raw")
    log = folder / "web.log"
    with (
        running_screenshot_api("snapsharp", "sk_live_test") as api,
        running_web(
            log,
            redis_url=redis_server.url,
            snapsharp_api_key="sk_live_test",
            capture_url=api.url,
            resolve_targets="false",
            private_targets="192.0.2.7",
            persist_dir=folder / "media",
            web_concurrency=1,
        ) as url,
    ):
        yield url, api, log


def exchange(url, head, body=b""):
    """Send a request whose head is `head`, and return the status, the head and the body of the answer."""
    address = urlsplit(url)
    with socket.create_connection((address.hostname, address.port), 30) as client:
        client.sendall(head + b"\r\n\r\n" + body)
        answer = client.makefile("rb").read()
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head[9:12]), head, body


def events(log):
    return [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]


def test_a_visitor_with_32_kb_of_cookies_gets_the_picture(web):
    url, _, _ = web
    assert len(COOKIES) > 32 << 10
    status, _, body = exchange(url, b"GET %b HTTP/1.0\r\nHost: x\r\nCookie: %b" % (THUMB, COOKIES))
    assert (status, body[:4]) == (200, b"\x89PNG")


def test_a_head_is_bounded_as_a_whole(web):
    url, _, _ = web
    many = b"\r\n".join(b"X-%d: " % i + b"x" * 8000 for i in range(90))
    try:
        status = exchange(url, b"GET /health HTTP/1.0\r\nHost: x\r\n" + many)[0]
    except ConnectionError:
        status = 431  # it hung up before everything was sent
    assert status == 431


@pytest.mark.parametrize("host", [b"", b"\r\nHost: x"])
def test_a_health_check_in_http_1_0_is_answered(web, host):
    url, _, _ = web
    status, _, body = exchange(url, b"GET /health HTTP/1.0" + host)
    assert (status, json.loads(body)["ok"]) == (200, True)


def test_every_response_has_the_date_of_its_own_second(web):
    url, _, _ = web

    def dated():
        _, head, _ = exchange(url, b"GET /health HTTP/1.0")
        (line,) = [line for line in head.split(b"\r\n") if line.startswith(b"Date: ")]
        return parsedate_to_datetime(line.decode().partition(" ")[2]).timestamp()

    before = dated()
    wait_until(lambda: time.time() >= before + 1, "the next second")
    began = int(time.time())

    assert began <= dated() <= time.time()


@pytest.mark.parametrize("path", [b"caf\xc3\xa9", b"caf%C3%A9"])
def test_a_url_in_raw_utf8_is_the_same_page_as_in_percent_encoding(web, path):
    url, api, _ = web
    status, _, body = exchange(url, b"GET /thumb?url=https://example.com/%b HTTP/1.0\r\nHost: x" % path)

    assert (status, body[:4]) == (200, b"\x89PNG")
    assert [call.params["url"] for call in api.calls].count("https://example.com/caf%C3%A9") == 1


def test_a_page_in_a_path_is_opened_as_it_was_written_and_not_logged(web):
    url, api, log = web
    page = b"https://example.com/s3cret//a%2Fb/%E9/caf\xc3\xa9?c=//d&e=%26"
    for target in (
        b"/t/w=64/%b" % page,
        b"http://x/t/w=32/https:/example.com/s3cret%%2F2?s3cret=1".replace(b"%%", b"%"),
    ):
        status, _, body = exchange(url, b"GET %b HTTP/1.0\r\nHost: x" % target)
        assert (status, body[:4]) == (200, b"\x89PNG")

    assert [call.params["url"] for call in api.calls[-2:]] == [
        "https://example.com/s3cret//a%2Fb/%E9/caf%C3%A9?c=//d&e=%26",
        "https://example.com/s3cret%2F2?s3cret=1",
    ]
    wait_until(lambda: [each for each in events(log) if each.get("route") == "thumbs.path"], "the log line")
    assert "s3cret" not in log.read_text()


def test_a_path_of_8_kb_is_refused(web):
    url, api, _ = web
    before = len(api.calls)
    status, _, body = exchange(url, b"GET /t/-/https://example.com/%b HTTP/1.0\r\nHost: x" % (b"a" * 8000))
    longer, _, _ = exchange(url, b"GET /t/-/https://example.com/%b HTTP/1.0\r\nHost: x" % (b"a" * 8200))

    assert (status, json.loads(body)["detail"]) == (400, "url: must be at most 2048 bytes of UTF-8")
    assert (longer, len(api.calls)) == (414, before)


@pytest.mark.parametrize("target", [b"/thumb?a=\x00b", b"/thumb?a=\x7f", b"/thumb?a=\x01"])
def test_a_control_in_the_request_line_is_still_refused(web, target):
    assert exchange(web[0], b"GET %b HTTP/1.0\r\nHost: x" % target)[0] == 400


def test_it_warns_once_of_a_proxy_that_it_does_not_believe(web):
    url, _, log = web
    for number in range(3):
        exchange(url, b"GET /health HTTP/1.0\r\nX-Forwarded-For: 198.51.100.%d" % number)
    wait_until(lambda: [one for one in events(log) if one["event"] == "proxy_not_trusted"], "the warning")
    exchange(url, b"GET /health HTTP/1.0\r\nX-Forwarded-For: 198.51.100.9")
    (warning,) = [one for one in events(log) if one["event"] == "proxy_not_trusted"]

    assert "TRUSTED_PROXIES" in warning["detail"]
    assert "198.51.100" not in json.dumps(warning), "a visitor's address"


def test_it_warns_at_the_start_that_other_sites_may_read_internal_pages(web):
    (warning,) = [one for one in events(web[2]) if one["event"] == "pictures_readable"]
    assert "CORS_ORIGINS" in warning["detail"]
