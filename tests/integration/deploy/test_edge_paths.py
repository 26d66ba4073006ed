"""The shipped nginx configuration and pictures by a path, `/t/<options>/<page>`: forwarding, caching, the log."""

import re
import socket
from urllib.parse import urlsplit

import pytest

from tests.support.nginx import Edge, running_nginx
from tests.support.processes import wait_until

pytestmark = pytest.mark.slow

PICTURE = {"X-Thumb-State": "fresh", "Cache-Control": "public, max-age=60", "ETag": '"known"', "X-Cache": "MISS"}


def ask(edge, site, target, *headers):
    """Send a request line as it is, to a site that has a picture there. Returns nginx's cache status."""
    site.add(target.partition("?")[0], "picture", headers=PICTURE, content_type="image/png")
    lines = "\r\n".join([f"GET {target} HTTP/1.1", "Host: x", "Connection: close", *headers, "", ""])
    address = urlsplit(edge.url)
    with socket.create_connection((address.hostname, address.port), 30) as client:
        client.sendall(lines.encode("latin-1"))
        head = client.makefile("rb").read().partition(b"\r\n\r\n")[0].decode()
    assert head.startswith("HTTP/1.1 200 "), head
    found = re.search(r"X-Edge-Cache: (\w+)", head)
    return found[1] if found else ""


def test_a_path_reaches_the_web_process_as_the_visitor_wrote_it(site_edge, site):
    targets = (
        "/t/w=320,h=180/https://example.com/a?b=c&d=e",
        "/t/w=320/https:/example.com//a///b/%2F%20%C3%A9?d=//e&f=%26",
        "/t/hide=.a%2C%20.b%2Fc/https%3A%2F%2Fexample.com%2F",
        "/t/-/aHR0cHM6Ly9leGFtcGxlLmNvbS8.webp?v=3",
        "/t/wait=5/https://example.com/%61//b",
        "/t/w=1/https://example.com/a/../b",
    )
    for target in targets:
        assert ask(site_edge, site, target) == "MISS"
        assert ask(site_edge, site, target) == "HIT"
    assert ask(site_edge, site, targets[0], 'If-Match: "known"') == ""

    assert [request.path for request in site.requests] == [*targets, targets[0]]


def test_pages_that_differ_in_their_encoding_or_slashes_are_other_entries(site_edge, site):
    for page in (
        "https://example.com/a/b",
        "https://example.com/a//b",
        "https://example.com/a%2Fb",
        "https:/example.com/a/b",
    ):
        assert ask(site_edge, site, f"/t/w=320/{page}") == "MISS"


def test_a_card_is_stored_by_template_format_and_data_and_not_if_it_is_personal(site_edge, site):
    cards = ("/card/a.png?title=x", "/card/b.png?title=x", "/card/a.webp?title=x", "/card/a.png?title=y", "/card/a.png")
    for target in cards:
        assert [ask(site_edge, site, target) for _ in range(2)] == ["MISS", "HIT"]
    assert ask(site_edge, site, "/card/a.png?v=7&title=x") == "HIT"
    assert [ask(site_edge, site, "/card/a.png?title=x&wait=5") for _ in range(2)] == ["MISS", "HIT"]
    for option in ("fresh=1", "expires=1"):
        assert [ask(site_edge, site, f"/card/a.png?title=x&{option}") for _ in range(2)] == ["BYPASS", "BYPASS"]


def test_a_picture_is_one_entry_for_all_values_of_a_cache_buster(site_edge, site):
    for query in ("url=x&v={}&w=5", "v={}&url=x", "url=x&w=6&_={}", "_={0}&url=x&v={0}&h=7"):
        assert [ask(site_edge, site, f"/thumb?{query.format(value)}") for value in (1, "2a")] == ["MISS", "HIT"]
    for options in ("w=5,v={}", "v={},w=6", "w=7,_={},h=5", "_={0},w=8,v={0}"):
        targets = [f"/t/{options.format(value)}/https://example.com/a?v=1" for value in (1, "2a")]
        assert [ask(site_edge, site, target) for target in targets] == ["MISS", "HIT"]
    assert ask(site_edge, site, "/t/v=1/https://example.com/?v=1") == "MISS"
    assert ask(site_edge, site, "/t/v=1/https://example.com/?v=2") == "MISS", "which is the page's own"


def test_personal_and_fresh_paths_bypass_the_cache(site_edge, site):
    for options in (
        "w=5,fresh=1",
        "fresh",
        "expires=1900000000,sig=abc",
        "f%72esh=1",
        "w=5,%77ait=0",
        "sig=a,expires=5",
    ):
        target = f"/t/{options}/https://example.com/"
        assert [ask(site_edge, site, target) for _ in range(2)] == ["BYPASS", "BYPASS"]
    assert ask(site_edge, site, "/t/w=5/https://example.com/", "X-API-Key: abc") == "BYPASS"
    for spelt in ("/%74/w=5/https://example.com/", "//t/w=5/https://example.com/", "/x/../t/w=5/https://example.com/"):
        assert ask(site_edge, site, spelt) == "BYPASS"
    assert site_edge.stored == 0
    assert ask(site_edge, site, "/t/w=5/https://example.com/", "Accept: application/json") == "BYPASS"


def test_options_that_only_the_page_has_do_not_count(site_edge, site):
    for page in ("https://example.com/fresh=1/?expires=5,fresh=1&wait=1", "https%3A%2F%2Fexample.com%2F,fresh=1"):
        assert [ask(site_edge, site, f"/t/w=5/{page}") for _ in range(2)] == ["MISS", "HIT"]
    assert [ask(site_edge, site, "/t/https%3A%2F%2Fexample.com%2F") for _ in range(2)] == ["MISS", "HIT"]


def test_no_log_names_the_page_or_the_signature_of_a_path(site, folder):
    with running_nginx(folder, site.url("")) as url:
        edge = Edge(url, folder)
        for prefix in ("/t", "//t", "/%74", "/x/../t"):
            ask(edge, site, f"{prefix}/w=5,sig=s3cret/https://s3cret.example/s3cret?token=s3cret")
        ask(edge, site, "/t/w=5,sig=s3cret/https://s3cret.example/../../../../s3cret")
        site.add("/t/sig=s3cret/https://s3cret.example/", hangs_up=True)
        assert edge.get("/t/sig=s3cret/https://s3cret.example/").status_code == 503
        wait_until(lambda: (folder / "access.log").read_text().count('"path":"/t/"') == 7, "the log lines")
    written = "".join((folder / name).read_text() for name in ("access.log", "error.log", "stderr"))

    assert "web_unavailable" in written
    assert "s3cret" not in written
