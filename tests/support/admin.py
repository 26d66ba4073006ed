"""Logs in to the admin pages as a browser does, and gives them a day to show."""

import re
import time
from datetime import UTC, datetime

import requests

from errors import PageTimeout
from figures import SLOT_SECONDS

KEY = "an-admin-key-for-tests"


def token_in(page):
    """Return the CSRF token of a page's form."""
    return re.search(r'name="csrf_token" value="([^"]+)"', page.text)[1]


def log_in(client, key=KEY, back="", **more):
    page = client.get("/admin/log-in", **more)
    return client.post("/admin/log-in", data={"key": key, "next": back, "csrf_token": token_in(page)}, **more)


def send(client, path, page, /, **fields):
    """Send the form of the page at the path `page` to `path`."""
    return client.post(path, data={"csrf_token": token_in(client.get(page))} | fields)


def log_in_over_http(url):
    """Return a session that has logged in to the service at `url`."""
    session = requests.Session()
    page = session.get(f"{url}/admin/log-in", timeout=10)
    session.post(f"{url}/admin/log-in", {"key": KEY, "csrf_token": token_in(page)}, timeout=10).raise_for_status()
    return session


def live_a_day(services, page="shop.example/sale"):
    """Let processes have counted something in each quarter of an hour of the last day, and a page be slow and failing."""
    state, last = services.connections.state, int(time.time()) // SLOT_SECONDS
    for slot in range(last - 95, last + 1):
        day = f"{datetime.fromtimestamp(slot * SLOT_SECONDS, UTC):%Y-%m-%d}"
        known = 40 + (slot * 37) % 60
        counted = {"known": known, "new": known // 8, "captured": known // 8, "time-1": known, "time-10": known // 8}
        if slot % 9 == 0:
            counted |= {"not_captured": 3, "failed": 2, "own-over_capacity": 2, "not_shown": 3, "refused": 4}
        state.client.hset(state.keys.figures(day), mapping={f"{slot}:{name}": value for name, value in counted.items()})
    services.page_figures.note(f"https://{page}?secret=1", 8.24, None)
    for _ in range(3):
        services.page_figures.note(f"https://{page}", 2.0, PageTimeout())
