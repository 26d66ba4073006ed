"""The shipped nginx configuration and requests as clients, proxies and strangers send them."""

import json
import socket
from contextlib import ExitStack
from typing import get_args
from urllib.parse import urlencode, urlsplit

import pytest
import requests

from config import TrustedHeader
from tests.support.dns import running_name_server
from tests.support.nginx import Edge, running_nginx
from tests.support.processes import wait_until
from tests.support.site import running_site

pytestmark = pytest.mark.slow

PAGE = {"url": "http://93.184.216.34/"}
PICTURE = {"X-Thumb-State": "fresh", "Cache-Control": "public, max-age=60", "ETag": '"known"', "X-Cache": "MISS"}
COOKIES = "; ".join(f"c{number}={'x' * 510}" for number in range(64))  # 32 kB


def exchange(edge, head):
    """Send a request whose head is `head`, and return the status, the head and the body of the answer."""
    address = urlsplit(edge.url)
    with socket.create_connection((address.hostname, address.port), 30) as client:
        client.sendall(head.encode() + b"\r\n\r\n")
        answer = client.makefile("rb").read()
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head[9:12]), head.decode(), body


def seen(site):
    return {name.lower(): value for name, value in site.requests[-1].headers.items()}


@pytest.mark.parametrize("path", ["/thumb", "/persist"])
def test_32_kb_of_cookies_do_no_harm_and_stay_outside(site_edge, site, path):
    site.add(path, "picture", headers=PICTURE)
    answer = site_edge.get(path, {"Cookie": COOKIES, "X-Padding": "x" * 8000}, **PAGE)

    assert (answer.status_code, answer.text) == (200, "picture")
    assert "cookie" not in seen(site)


@pytest.mark.parametrize(
    "path",
    ["/", "/?url=x", "/admin", "/admin/log-in?next=/admin", "/gallery", "/gallery/42", "/sites/1/image", "/theme"],
)
def test_pages_for_people_get_their_cookies(site_edge, site, path):
    site.add(path.partition("?")[0], "page")
    site_edge.get(path, {"Cookie": "admin=token"})
    assert seen(site)["cookie"] == "admin=token"


@pytest.mark.parametrize("path", ["/administer", "/thumb/../persist?/admin", "/sitesx"])
def test_no_other_path_gets_cookies(site_edge, site, path):
    for each in ("/administer", "/persist", "/sitesx"):
        site.add(each, "answer")
    site_edge.get(path, {"Cookie": "admin=token"})
    assert "cookie" not in seen(site)


def test_no_visitor_names_the_admin(site_edge, site, folder):
    headers = dict.fromkeys(get_args(TrustedHeader), "mallory")
    site.add("/admin", "page")
    site_edge.get("/admin", headers)
    assert {name.lower() for name in headers} & seen(site).keys() == set()

    (folder / "trusting").mkdir()
    with running_nginx(folder / "trusting", site.url(""), ("# 192.0.2.0/24 1;", "127.0.0.1 1;")) as url:
        Edge(url, folder).get("/admin", headers)
    assert {seen(site)[name.lower()] for name in headers} == {"mallory"}


def test_a_large_upload_is_for_admin_pages_alone(site_edge, site):
    site.add("/admin/sites/1/picture", "page")
    site.add("/persist", "page")
    body = b"x" * (2 << 20)
    assert requests.post(site_edge.url + "/admin/sites/1/picture", body, timeout=30).status_code == 200
    assert requests.post(site_edge.url + "/persist", body, timeout=30).status_code == 413


@pytest.mark.parametrize("path", ["/health", "/thumb?url=http%3A%2F%2F93.184.216.34%2F"])
def test_a_request_in_http_1_0_without_a_host_is_answered(site_edge, site, path):
    site.add(path.partition("?")[0], "{}")
    status, _, body = exchange(site_edge, f"GET {path} HTTP/1.0")

    assert (status, body) == (200, b"{}")
    assert seen(site)["host"] == site_edge.url.removeprefix("http://")


def test_a_picture_is_one_entry_however_its_host_and_path_are_spelt(site_edge, site):
    site.add("/thumb", "picture", headers=PICTURE)
    query = urlencode(PAGE)
    for path in ("/thumb", "/%74humb", "//thumb", "/./thumb", "/x/../thumb"):
        for host in ("one.example", "ONE.example:81", "two.example"):
            assert exchange(site_edge, f"GET {path}?{query} HTTP/1.0\r\nHost: {host}")[0] == 200

    assert site_edge.stored == 1
    assert [one.path for one in site.requests] == [f"/thumb?{query}"], "which is what the web process is asked for"


@pytest.mark.parametrize("path", ["/ready", "/metrics", "/%72eady", "//ready"])
def test_what_is_for_operators_is_not_shown_to_visitors(site_edge, site, path):
    for each in ("/ready", "/metrics"):
        site.add(each, "secret")
    status, head, body = exchange(site_edge, f"GET {path} HTTP/1.0\r\nHost: x")

    assert (status, json.loads(body)["code"]) == (404, "not_found")
    assert "Cache-Control: no-store" in head
    assert site.requests == []


@pytest.mark.parametrize(
    "condition", [{"If-Match": '"other"'}, {"If-Match": "*"}, {"If-Unmodified-Since": "Sun, 06 Nov 1994 08:49:37 GMT"}]
)
def test_the_web_process_judges_the_preconditions_of_known_pictures(site_edge, site, condition):
    site.add("/thumb", "picture", headers=PICTURE | {"Last-Modified": "Sat, 28 Nov 2026 09:00:00 GMT"})
    site_edge.thumb()
    refusal = {"Cache-Control": "no-store"}
    site.add("/thumb", "{}", status=412, headers=refusal, content_type="application/problem+json")
    answer = site_edge.thumb(headers=condition)

    assert (answer.status_code, answer.text, answer.headers["Cache-Control"]) == (412, "{}", "no-store")
    assert site_edge.thumb().headers["X-Edge-Cache"] == "HIT"


@pytest.mark.parametrize("origin", [None, "https://cms.example.com"])
def test_a_known_picture_is_shared_with_the_origins_that_the_web_process_names(site_edge, site, origin):
    site.add("/thumb", "picture", headers=PICTURE | {"Access-Control-Allow-Origin": "*", "Timing-Allow-Origin": "*"})
    for _ in range(2):
        answer = site_edge.thumb(headers={"Origin": origin})
        assert answer.headers["Access-Control-Allow-Origin"] == answer.headers["Timing-Allow-Origin"] == "*"


def test_each_origin_gets_its_own_answer_from_the_cache(site_edge, site):
    for origin in ("https://a.example", "https://b.example"):
        site.add("/thumb", origin, headers=PICTURE | {"Access-Control-Allow-Origin": origin, "Vary": "Origin"})
        site_edge.thumb(headers={"Origin": origin})
    answers = [site_edge.thumb(headers={"Origin": origin}) for origin in ("https://a.example", "https://b.example")]

    assert [answer.headers["X-Edge-Cache"] for answer in answers] == ["HIT", "HIT"]
    assert [answer.headers["Access-Control-Allow-Origin"] for answer in answers] == [
        "https://a.example",
        "https://b.example",
    ]


@pytest.mark.parametrize("accept", ["image/avif,image/*,*/*;q=0.8", "*/*"])
def test_a_script_of_any_page_reads_that_the_service_is_away(site_edge, site, accept):
    site.add("/thumb", hangs_up=True)
    answer = site_edge.thumb(headers={"Accept": accept, "Origin": "https://cms.example.com"})

    assert answer.status_code == 503
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"


def test_raw_utf8_in_a_query_reaches_the_web_process_as_it_was_sent(site_edge, site):
    site.add("/thumb", "picture", headers=PICTURE)
    status, _, _ = exchange(site_edge, "GET /thumb?url=https://example.com/café HTTP/1.0\r\nHost: x")
    assert status == 200
    assert site.requests[-1].path.encode("latin-1").decode() == "/thumb?url=https://example.com/café"


def test_nginx_follows_the_web_process_to_another_address(folder):
    with ExitStack() as stack:
        names = stack.enter_context(running_name_server("127.0.0.1"))
        first = stack.enter_context(running_site("127.0.0.1"))
        second = stack.enter_context(running_site("127.0.0.2", port=first.port))
        first.add("/health", "the first")
        second.add("/health", "the second")
        resolver = "resolver 127.0.0.11 valid=5s", f"resolver 127.0.0.1:{names.port} valid=1s"
        url = stack.enter_context(running_nginx(folder, f"http://web:{first.port}", resolver))
        edge = Edge(url, folder)

        assert edge.get("/health").text == "the first"
        names.address = "127.0.0.2"
        wait_until(lambda: edge.get("/health").text == "the second", "the other address")


def test_nginx_starts_before_the_web_process_has_a_name(folder):
    with running_name_server("127.0.0.1") as names, running_site() as site:
        site.add("/health", "here")
        names.address = "127.0.0.3"  # where nothing listens
        resolver = "resolver 127.0.0.11 valid=5s", f"resolver 127.0.0.1:{names.port} valid=1s"
        with running_nginx(folder, f"http://web:{site.port}", resolver) as url:
            answer = requests.get(f"{url}/health", timeout=30)
            assert (answer.status_code, answer.json()["code"]) == (503, "upstream_unavailable")
            names.address = "127.0.0.1"
            wait_until(lambda: requests.get(f"{url}/health", timeout=30).text == "here", "the web process")


def test_lists_of_sites_may_be_large(site_edge, site):
    body = b"x" * (2 << 20)
    for path in ("/sites", "/sites/1/picture", "/persist"):
        site.add(path, "answer")
    assert requests.post(site_edge.url + "/sites", body, timeout=30).status_code == 200
    assert requests.put(site_edge.url + "/sites/1/picture", body, timeout=30).status_code != 413
    assert requests.post(site_edge.url + "/persist", body, timeout=30).status_code == 413
