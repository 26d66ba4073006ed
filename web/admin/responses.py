"""Redirects after a form, and what the next page says about it."""

from collections.abc import Callable
from typing import Any

from flask import Response, current_app, flash


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
