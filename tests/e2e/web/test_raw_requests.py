"""Requests as old, odd and busy clients send them, byte by byte, to gunicorn with the shipped configuration."""

import json
import socket
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


@pytest.mark.parametrize("path", [b"caf\xc3\xa9", b"caf%C3%A9"])
def test_a_url_in_raw_utf8_is_the_same_page_as_in_percent_encoding(web, path):
    url, api, _ = web
    status, _, body = exchange(url, b"GET /thumb?url=https://example.com/%b HTTP/1.0\r\nHost: x" % path)

    assert (status, body[:4]) == (200, b"\x89PNG")
    assert [call.params["url"] for call in api.calls].count("https://example.com/caf%C3%A9") == 1


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
