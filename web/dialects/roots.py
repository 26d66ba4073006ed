"""Addresses that other services have at the root of a host, or in common with another one: each gets a prefix of its own.

The prefixes work as addresses too: `/11ty/…`, `/sshot/…`, `/microlink/?url=…`, `/snapapi/v1/screenshot`.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TYPE_CHECKING

from flask import Flask

from web.dialects import eleventy, snapapi, sshot

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

Move = Callable[["WSGIEnvironment", str], str]  # returns the path with its prefix, or as it was

_A_URL = re.compile(r"/https?(:|%3a)", re.IGNORECASE)
_A_SIZE = re.compile(r"/[0-9]{1,5}[xX][0-9]{1,5}(/|$)")
_ASKS = re.compile(r"(^|&)(embed|screenshot|meta|palette|video|audio|iframe|pdf|insights|data)([=.&]|$)")
_HAS_URL = re.compile(r"(^|&)url=.")


def _of_11ty(_environ: "WSGIEnvironment", path: str) -> str:
    return eleventy.PREFIX.rstrip("/") + path if _A_URL.match(path) else path


def _of_sshot(_environ: "WSGIEnvironment", path: str) -> str:
    return sshot.PREFIX.rstrip("/") + path if _A_SIZE.match(path) else path


def _of_microlink(environ: "WSGIEnvironment", path: str) -> str:
    query = environ["QUERY_STRING"]
    return "/microlink/" if path == "/" and _HAS_URL.search(query) and _ASKS.search(query) else path


def _of_snapapi(environ: "WSGIEnvironment", path: str) -> str:
    """Tell SnapAPI's requests from SnapSharp's: those of SnapSharp bring their key in `Authorization`."""
    is_shared = path == "/v1/screenshot" and environ["REQUEST_METHOD"] == "POST"
    return snapapi.PATH if is_shared and "HTTP_X_API_KEY" in environ and "HTTP_AUTHORIZATION" not in environ else path


_MOVES: Mapping[str, Move] = {
    "11ty": _of_11ty, "sshot": _of_sshot, "microlink": _of_microlink, "snapapi": _of_snapapi,
}  # fmt: skip


def give_prefixes(app: Flask, names: Collection[str]) -> None:
    """Give the addresses of the dialects `names` their prefixes. Install it after all that looks at paths."""
    if any(name in _MOVES for name in names):
        app.wsgi_app = RootAddresses(app.wsgi_app, names)  # type: ignore[method-assign]


class RootAddresses:
    """WSGI middleware that gives these addresses their prefixes, in front of all that looks at paths."""

    def __init__(self, app: "WSGIApplication", names: Collection[str]) -> None:
        self._app = app
        self._moves = tuple(move for name, move in _MOVES.items() if name in names)

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        path: str = environ["PATH_INFO"]
        for move in self._moves:
            moved = move(environ, path)
            if moved != path:
                _rewrite(environ, path, moved)
                break
        return self._app(environ, start_response)


def _rewrite(environ: "WSGIEnvironment", path: str, moved: str) -> None:
    environ["PATH_INFO"] = moved
    uri = environ.get("RAW_URI", "")
    prefix = moved.removesuffix(path)
    environ["RAW_URI"] = prefix + uri if prefix != moved and uri.startswith("/") else ""
