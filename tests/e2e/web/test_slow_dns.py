"""Lookups that hang take no thread from the lookups of the service itself."""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from netguard import MOST_LOOKUPS
from tests.support.web import ROOT, running_web


@pytest.fixture
def slow_dns(tmp_path):
    """Settings that make lookups of `hang…` hang in a process while a file exists."""
    gate = tmp_path / "gate"
    gate.touch()
    return {"pythonpath": f"{ROOT / 'tests' / 'support' / 'slow_dns'}{os.pathsep}{ROOT}", "hang_while": gate}


def ask(service, host, client):
    forwarded = {"X-Forwarded-For": client}
    return requests.get(f"{service}/thumb", {"url": f"http://{host}/"}, headers=forwarded, timeout=60)


def test_while_lookups_hang_the_screenshot_api_is_still_resolved(settings, api, slow_dns, tmp_path):
    by_name = {"capture_url": api.url.replace("127.0.0.1", "localhost"), "capture_timeout": 5, "web_concurrency": 1}
    log = tmp_path / "web.log"
    with running_web(log, **settings | slow_dns | by_name | {"trusted_proxies": 1, "thumb_limit": "99/hour"}) as url:
        try:
            with ThreadPoolExecutor(MOST_LOOKUPS) as pool:
                clients = [f"198.51.100.{i}" for i in range(MOST_LOOKUPS)]
                hang = list(pool.map(lambda client: ask(url, f"hang-{client}.example", client), clients))
                busy = pool.submit(ask, url, "another.example", "192.0.2.1")
                taken = ask(url, "93.184.216.34", "192.0.2.2")  # only the API's name has to be looked up
        finally:
            slow_dns["hang_while"].unlink()  # else the process could not stop

    assert {answer.json()["code"] for answer in hang} == {"blocked_url"}
    assert busy.result().json()["code"] == "over_capacity", "all threads for callers' names hang"
    assert (taken.status_code, taken.headers["Content-Type"]) == (200, "image/png")
