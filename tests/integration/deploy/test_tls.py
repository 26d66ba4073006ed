"""TLS at our nginx, at a proxy before it, and at a load balancer before gunicorn: docs/operations/tls.md."""

import json
import socket
from pathlib import Path

import pytest

from tests.support.nginx import running_nginx, running_tls_proxy
from tests.support.processes import free_port
from tests.support.receiver import certificates
from tests.support.screenshot_api import running_screenshot_api
from tests.support.web import running_web

pytestmark = pytest.mark.slow

NAME = "thumbs.example"
DOCS = (Path(__file__).parents[3] / "docs" / "operations" / "tls.md").read_text(encoding="utf-8")
BEHIND_A_PROXY = [
    ("# set_real_ip_from 192.0.2.0/24;", "set_real_ip_from 127.0.0.1;"),
    ("# real_ip_header X-Forwarded-For;", "real_ip_header X-Forwarded-For;"),
    ("# 192.0.2.0/24 1;", "127.0.0.1 1;"),
]


@pytest.fixture(scope="module")
def web(redis_server, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    with (
        running_screenshot_api("snapsharp", "sk_live_test") as api,
        running_web(
            folder / "web.log",
            redis_url=redis_server.url,
            snapsharp_api_key="sk_live_test",
            capture_url=api.url,
            resolve_targets="false",
            persist_dir=folder / "media",
            persist_limit="100 per minute",
            thumb_limit="2 per minute",
            trusted_proxies=1,
            web_concurrency=1,
        ) as url,
    ):
        yield url


@pytest.fixture
def tls(folder):
    """A certificate with its key, in nginx's folder, and the TLS context of a client that trusts it."""
    _, client = certificates(folder, NAME)
    return folder / "receiver.pem", client


def post(port, tls, path="/persist", visitor="127.0.0.2", page="https://example.com/", **headers):
    """Send a POST over TLS from the address `visitor`. Return the status and the decoded body."""
    body = json.dumps({"url": page})
    lines = [f"POST {path} HTTP/1.0", f"Host: {NAME}", "Content-Type: application/json", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    with (
        socket.create_connection(("127.0.0.1", port), 30, (visitor, 0)) as plain,
        tls[1].wrap_socket(plain, server_hostname=NAME) as client,
    ):
        client.sendall("\r\n".join([*lines, "", body]).encode())
        head, _, answer = client.makefile("rb").read().partition(b"\r\n\r\n")
    return int(head[9:12]), json.loads(answer)


def of_docs(shipped, here):
    """Return a change of the shipped configuration that the docs tell an operator to make."""
    assert shipped.removeprefix("# ").split()[0] in DOCS, shipped
    return shipped, here


def test_permanent_urls_are_https_with_tls_at_our_nginx(web, tls, folder):
    port = free_port()
    changes = [
        of_docs("# listen 8443 ssl;", f"listen 127.0.0.1:{port} ssl;"),
        of_docs("# ssl_certificate /etc/nginx/tls/fullchain.pem;", "ssl_certificate receiver.pem;"),
        of_docs("# ssl_certificate_key /etc/nginx/tls/privkey.pem;", "ssl_certificate_key receiver.pem;"),
    ]
    with running_nginx(folder, web, *changes):
        status, made = post(port, tls)
        assert status in (200, 201)
        assert made["url"].startswith(f"https://{NAME}/media/")


def test_permanent_urls_are_https_with_a_proxy_before_our_nginx(web, tls, folder):
    changes = [of_docs(*change) for change in BEHIND_A_PROXY]
    with running_nginx(folder, web, *changes) as edge, running_tls_proxy(folder, edge, tls[0]) as port:
        _, made = post(port, tls)
    assert made["url"].startswith(f"https://{NAME}/media/")


def test_permanent_urls_are_https_with_a_load_balancer_before_gunicorn(web, tls, folder):
    with running_tls_proxy(folder, web, tls[0]) as port:
        _, made = post(port, tls)
    assert made["url"].startswith(f"https://{NAME}/media/")


def test_a_sub_path_is_kept_through_both_proxies(web, tls, folder):
    with running_nginx(folder, web, *BEHIND_A_PROXY) as edge, running_tls_proxy(folder, edge, tls[0], "/shots") as port:
        _, made = post(port, tls, "/shots/persist")
    assert made["url"].startswith(f"https://{NAME}/shots/media/")


def test_visitors_behind_the_proxy_are_told_apart_and_cannot_choose_their_address(web, tls, folder):
    with running_nginx(folder, web, *BEHIND_A_PROXY) as edge, running_tls_proxy(folder, edge, tls[0]) as port:
        asked = [
            post(
                port, tls, visitor=visitor, page=f"https://example.com/{number}", X_Forwarded_For=f"198.51.100.{number}"
            )
            for number, visitor in enumerate(["127.0.0.3", "127.0.0.3", "127.0.0.3", "127.0.0.4"])
        ]
    assert [status for status, _ in asked] == [201, 201, 429, 201]


def test_without_a_named_proxy_nobody_chooses_scheme_or_path(web, folder):
    lies = "X-Forwarded-Proto: https\r\nX-Forwarded-Prefix: /evil"
    body = '{"url": "https://example.com/"}'
    with running_nginx(folder, web) as edge:
        host = edge.removeprefix("http://")
        address, _, port = host.partition(":")
        with socket.create_connection((address, int(port)), 30) as client:
            head = f"POST /persist HTTP/1.0\r\nHost: {host}\r\n{lies}\r\nContent-Type: application/json\r\n"
            client.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
            made = json.loads(client.makefile("rb").read().partition(b"\r\n\r\n")[2])
    assert made["url"].startswith(f"http://{host}/media/")
