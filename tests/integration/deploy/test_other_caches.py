"""A shared cache that knows HTTP alone (RFC 9111), as many CDNs do: the service's headers tell it what to store."""

import os

import pytest
import requests

from tests.support.browser import serving
from tests.support.nginx import NGINX
from tests.support.processes import free_port, running
from tests.support.screenshot_api import refuse

pytestmark = pytest.mark.slow

IMG = "image/avif,image/webp,*/*;q=0.8"
STATE = "application/json"
CONFIG = """
daemon off; {user} pid {folder}/pid; events {{}}
http {{
    access_log off; proxy_temp_path {folder}/proxy; client_body_temp_path {folder}/body; fastcgi_temp_path {folder}/f;
    uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s; proxy_cache_path {folder}/cache keys_zone=pictures:1m;
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass {web}; proxy_cache pictures; proxy_cache_key $request_uri;
            add_header X-Shared-Cache $upstream_cache_status always;
        }}
    }}
}}
"""


@pytest.fixture
def ask(client, folder):
    """Ask for a picture through the cache, and return the kind of answer and whether the cache had it."""
    with serving(client.application) as web:
        port = free_port()
        user = "user root;" if os.geteuid() == 0 else ""
        (folder / "plain.conf").write_text(CONFIG.format(folder=folder, port=port, web=web, user=user))
        command = [NGINX, "-p", str(folder), "-c", str(folder / "plain.conf"), "-e", str(folder / "error.log")]

        def ask(accept, **options):
            query = {"url": "https://example.com/"} | options
            return requests.get(f"http://127.0.0.1:{port}/thumb", query, headers={"Accept": accept}, timeout=30)

        with running(command, port):
            yield ask


def test_the_state_of_a_picture_is_never_stored(ask, api):
    assert ask(STATE, wait="20").json()["state"] == "ready"
    assert ask(IMG, wait="20").headers["Content-Type"] == "image/png"
    api.behave(refuse(422, "page_status", "the page answered 404", extras={"page_status": 404}))
    assert ask(STATE, url="https://gone.example/", wait="20").json()["state"] == "failed"
    assert ask(IMG, url="https://gone.example/", wait="20").headers["Content-Type"] == "image/png"


def test_a_program_reads_the_state_of_a_picture_that_a_cache_has_stored(ask):
    ask(IMG)
    assert ask(IMG).headers["X-Shared-Cache"] == "HIT"
    for _ in range(2):
        told = ask(STATE, _="1764421200")
        assert told.headers["X-Shared-Cache"] == "MISS"
        assert told.json()["state"] == "ready"
        assert told.json()["picture"].endswith("/thumb?url=https%3A%2F%2Fexample.com%2F")
