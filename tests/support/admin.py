"""Logs in to the admin pages as a browser does."""

import re

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
