"""Takedown: pages that the service never shows. The list of BLOCKED_TARGETS, which is read again when its file changes."""

import re
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import unquote

import structlog

import urls
from errors import TakenDown
from options import Target

LOOK_SECONDS = 1.0  # how often the file's time is read
_HOST = re.compile(r"[^\s*@?#:\\]+|\[[0-9a-f:.]+\]")
_COMMENT = re.compile(r"(^|\s)#.*")
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class BlockedPattern:
    """Pages of a host (`example.com`) or of its subdomains (`*.example.com`), all of them or below a path."""

    host: str
    subdomains: bool = False
    path: str = "/"
    open_ended: bool = True  # whether the path may go on at any character, or only at a `/`, `?`, `#` or `;`

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `example.com`, `*.example.com`, `example.com/path` or `example.com/path*`. Raises ValueError."""
        wildcard, open_ended = text.startswith("*."), text.endswith("*")
        text = text.removeprefix("*.").removesuffix("*")
        host, slash, path = text.partition("/")
        if not _HOST.fullmatch(host) or re.search(r"[\s*#\\]", path):
            raise ValueError(text)
        target = urls.locate(
            f"https://{host}{slash}{path}"
        )  # as pages are written: in ASCII, lower case, percent-encoded
        return cls(target.host, wildcard, _path_of(target), open_ended or path in ("", "/") or path.endswith("/"))

    def matches(self, target: Target) -> bool:
        if not (target.host.endswith(f".{self.host}") if self.subdomains else target.host == self.host):
            return False
        path = _path_of(target)
        if not path.startswith(self.path):
            return False
        rest = path[len(self.path) :]
        return self.open_ended or not rest or rest[0] in "/?#;"  # some servers take `;…` for parameters of the page

    def __str__(self) -> str:
        path = "" if self.path == "/" else self.path + ("*" if self.open_ended and not self.path.endswith("/") else "")
        return f"{'*.' if self.subdomains else ''}{self.host}{path}"


class BlockedTargets:
    """The patterns of the settings and, if there is one, of a file, which an operator may edit at any time."""

    def __init__(
        self, patterns: Iterable[str] = (), file: Path | None = None, look_seconds: float = LOOK_SECONDS
    ) -> None:
        """Look every `look_seconds` whether the file has changed. Raises ValueError for a pattern that cannot be read."""
        self._fixed = tuple(map(BlockedPattern.parse, patterns))
        self._file = file
        self._look_seconds = look_seconds
        self._stamp: tuple[int, int] | None = None
        self._next_look = 0.0
        self._lock = threading.Lock()
        self._patterns = self._fixed
        self._by_host: dict[str, list[BlockedPattern]] = {}
        self._use(self._fixed)

    @property
    def patterns(self) -> tuple[BlockedPattern, ...]:
        self._reload_if_changed()
        return self._patterns

    def require_shown(self, target: Target) -> None:
        """Raise TakenDown if the page must not be shown."""
        if target.is_document:
            return
        self._reload_if_changed()
        if self._by_host and self._blocks(target):
            raise TakenDown("this page is not shown here, for legal reasons or at its owner's request", field="url")

    def _blocks(self, target: Target) -> bool:
        labels = target.host.split(".")
        hosts = (".".join(labels[start:]) for start in range(len(labels)))
        return any(pattern.matches(target) for host in hosts for pattern in self._by_host.get(host, ()))

    def _use(self, patterns: tuple[BlockedPattern, ...]) -> None:
        by_host: dict[str, list[BlockedPattern]] = {}
        for pattern in patterns:
            by_host.setdefault(pattern.host, []).append(pattern)
        self._patterns, self._by_host = patterns, by_host

    def _reload_if_changed(self) -> None:
        """Read the file again if it was written. While it cannot be read, the patterns of before stay in force."""
        if self._file is None or time.monotonic() < self._next_look:
            return
        with self._lock:
            self._next_look = time.monotonic() + self._look_seconds
            try:
                stat = self._file.stat()
                stamp = stat.st_mtime_ns, stat.st_size
                if stamp == self._stamp:
                    return
                text = self._file.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as err:
                self._report_unreadable(err)
                return
            self._stamp = stamp
            self._use((*self._fixed, *self._read(text)))
            _log.info("blocked_targets_loaded", patterns=len(self._patterns))

    def _read(self, text: str) -> tuple[BlockedPattern, ...]:
        """Read a pattern a line, or several between commas; `#` begins a comment. A wrong one blocks nothing else."""
        patterns = []
        for number, line in enumerate(text.splitlines(), 1):
            for entry in _COMMENT.sub("", line).replace(",", " ").split():
                try:
                    patterns.append(BlockedPattern.parse(entry))
                except ValueError:
                    action = "write a host, `*.host`, or one of them with a path"
                    _log.error("blocked_target_invalid", setting="BLOCKED_TARGETS_FILE", line=number, action=action)
        return tuple(patterns)

    def _report_unreadable(self, err: Exception) -> None:
        if self._stamp != (0, 0):  # once
            self._stamp = (0, 0)
            _log.error(
                "blocked_targets_unreadable",
                setting="BLOCKED_TARGETS_FILE",
                reason=getattr(err, "strerror", None) or type(err).__name__,
                effect="the patterns of before stay in force",
            )


def _path_of(target: Target) -> str:
    """Return path and query as most servers read them, so that another spelling of a page is the same page."""
    return re.sub("/+", "/", unquote(target.path, errors="replace"))
