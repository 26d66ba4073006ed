"""Puts a template's own files into its text as `data:` URIs, so that a card requests no other server."""

import base64
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

from cards.failures import BrokenTemplate

MOST_BYTES = 4 * 2**20  # of one file
_TYPES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
    ".gif": "image/gif",
    ".avif": "image/avif",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
    ".woff": "font/woff",
    ".ttf": "font/ttf",
    ".otf": "font/otf",
}
_IN_STYLE = re.compile(r"""\burl\(\s*(?P<quote>["']?)(?P<name>[^"'(){}]*)(?P=quote)\s*\)""", re.IGNORECASE)
_IN_HTML = re.compile(
    r"""(?P<before>\s(?:src|href|xlink:href|poster)\s*=\s*(?P<quote>["']))(?P<name>[^"'{}]*)(?P=quote)""", re.IGNORECASE
)
_IMPORT = re.compile(r"@import\b", re.IGNORECASE)


class TemplateFiles:
    """The files of one template's folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def in_style(self, text: str, file: Path) -> str:
        """Put the files that a style sheet names into it. Raises BrokenTemplate."""
        if found := _IMPORT.search(text):
            raise BrokenTemplate(
                file, _line(text, found.start()), "@import is not possible: write everything into style.css"
            )
        return self._replaced(_IN_STYLE, text, file, lambda _, uri: f'url("{uri}")')

    def in_html(self, text: str, file: Path) -> str:
        """Put the files that attributes and styles of a document name into it. Raises BrokenTemplate."""
        text = self._replaced(_IN_HTML, text, file, lambda found, uri: f"{found['before']}{uri}{found['quote']}")
        return self._replaced(_IN_STYLE, text, file, lambda _, uri: f"url({uri})")

    def _replaced(
        self, pattern: re.Pattern[str], text: str, file: Path, write: Callable[[re.Match[str], str], str]
    ) -> str:
        def replace(found: re.Match[str]) -> str:
            name = found["name"].strip()
            if not name or name.startswith(("#", "data:")):
                return found[0]
            return write(found, self._uri(name, file, _line(text, found.start("name"))))

        return pattern.sub(replace, text)

    def _uri(self, name: str, file: Path, line: int) -> str:
        path = self._folder / unquote(re.sub(r"[?#].*", "", name))
        try:
            is_inside = path.resolve().is_relative_to(self._folder.resolve())
        except (OSError, RuntimeError, ValueError):  # a loop of links, or a name that no file can have
            is_inside = False
        if ":" in name or name.startswith("/") or not is_inside:
            raise BrokenTemplate(
                file, line, f"{name} must be a file in the template's folder: a card asks no other server"
            )
        kind = _TYPES.get(path.suffix.lower())
        if kind is None:
            raise BrokenTemplate(file, line, f"{name} must be a picture or a font: {', '.join(_TYPES)}")
        try:
            body = path.read_bytes()
        except OSError as err:
            raise BrokenTemplate(file, line, f"{name} cannot be read: {err.strerror}") from None
        if len(body) > MOST_BYTES:
            raise BrokenTemplate(file, line, f"{name} has more than {MOST_BYTES:,} bytes")
        return f"data:{kind};base64,{base64.b64encode(body).decode()}"


def _line(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1
