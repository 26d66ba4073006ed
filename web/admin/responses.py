"""Redirects after a form, and what the next page says about it."""

import re
from collections.abc import Callable
from typing import Any

from flask import Response, current_app, flash

from web.http.addresses import path_of

_OURS = re.compile(r"/(admin|gallery)([/?][ -~]*)?")


def see_path(path: str) -> Response:
    """Lead on by a GET, so that a reload does not repeat the form."""
    response = Response(status=303, headers={"Location": path})
    response.headers["Cache-Control"] = "no-store"
    return response


def see_other(endpoint: str, **values: Any) -> Response:
    link: Callable[..., str] = current_app.jinja_env.globals["link"]  # type: ignore[assignment]
    return see_path(link(endpoint, **values))


def say(text: str) -> None:
    """Let the next page say what was done."""
    flash(text)


def own_path(path: str, public_url: str | None) -> str:
    """Return the page of ours that a form wants to lead to: `path` if it is one, else the overview."""
    root = path_of("/", public_url).rstrip("/")
    ours = path.startswith(root) and _OURS.fullmatch(path.removeprefix(root)) and "\\" not in path
    return path if ours and "/log-" not in path else f"{root}/admin"
