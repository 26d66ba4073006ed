"""Placeholders for pictures that are pending or failed: the operator's own, or else drawn ones."""

from flask import Flask, current_app, g, request

import errors
from config import ConfigError, Settings
from images.own_placeholders import CONTENT_TYPE, BadPlaceholder, OwnPlaceholders
from images.placeholder import State, Theme, draw

_OWN, _DRAWN = "placeholders", "image/png"


def install(app: Flask, settings: Settings) -> None:
    """Read the operator's placeholders. Raises ConfigError."""
    folder = settings.placeholder_dir
    try:
        app.extensions[_OWN] = folder and OwnPlaceholders.read(folder, errors.WORDS.keys())
    except BadPlaceholder as err:
        raise ConfigError(f"PLACEHOLDER_DIR is invalid: {err}") from None


def expect_picture_of(size: tuple[int, int]) -> None:
    """Say which size the picture of the current request has, for an endpoint that has options of its own for it."""
    g.size_of_picture = size


def expected_size() -> tuple[int, int] | None:
    size: tuple[int, int] | None = g.get("size_of_picture")
    return size


def placeholder(
    size: tuple[int, int], state: State, *, code: str = "", host: str = "", theme: Theme = "light"
) -> tuple[bytes, str]:
    """Return a placeholder of `size` (width and height in pixels) and its content type.

    `code` is that of the error. `host` is named where there is room.
    """
    own: OwnPlaceholders | None = current_app.extensions[_OWN]
    body = own and own.fitted(*size, state, code, theme)
    return (body, CONTENT_TYPE) if body else (draw(*size, state, host, errors.WORDS.get(code, ""), theme), _DRAWN)


def content_types() -> tuple[str, ...]:
    """Return all that placeholders of this installation may be. Those that are drawn take the place of missing ones."""
    return (_DRAWN, CONTENT_TYPE) if current_app.extensions[_OWN] else (_DRAWN,)


def ask_again_in(seconds: int) -> dict[str, str]:
    """Write the header by which thumbs.js knows a placeholder: the only one of an answer to an <img> that a script can read."""
    return {"Server-Timing": f"thumb;dur={seconds * 1000}"}


def hinted_theme(chosen: str = "auto") -> Theme:
    """Return the theme for the current request. A picture cannot know the browser's, but some browsers tell it."""
    hint = request.headers.get("Sec-CH-Prefers-Color-Scheme", "").strip('"')
    return "dark" if "dark" in (chosen, hint if chosen != "light" else "") else "light"
