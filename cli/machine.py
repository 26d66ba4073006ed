"""The checks of `thumbnails doctor` that are about this machine: disk, nginx' folder, fonts, open files, DNS."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cli.finding import Check, Finding
from config.apis import ENGINE
from services import Services

_OPEN_FILES = 8192
_FULL = 0.8  # of the descriptors that a process may open
_MOST_SHOWN = 5
_LEAST_FREE = 1 << 30  # bytes
_SLOW_LOOKUP = 1.0  # seconds


def _fonts(services: Services) -> Iterator[Finding]:
    if ENGINE not in services.settings.capture_api or not shutil.which("fc-match"):
        return
    missing = [name for name, sample in _SCRIPTS.items() if not _has_font(sample)]
    if missing:
        advice = "install them on the engine's machine; make setup does so"
        yield Finding("fonts", "warning", f"this machine has none for {', '.join(missing)}", advice)
    else:
        yield Finding("fonts", "ok", f"for {', '.join(_SCRIPTS)}, on this machine")


_SCRIPTS = {
    "Latin": "lang=en",
    "Arabic": "lang=ar",
    "Devanagari": "lang=hi",
    "Chinese": "lang=zh-cn",
    "emoji": "charset=1f600",
}


def _has_font(pattern: str) -> bool:
    found = subprocess.run(["fc-list", f":{pattern}", "family"], capture_output=True, text=True, check=False)  # noqa: S603, S607
    return bool(found.stdout.strip())


_OURS = {
    "web": ("gunicorn", "app:app"),
    "beat": ("celery", "beat"),  # before the worker, which is named by both
    "worker": ("celery", "worker"),
    "engine": ("-m", "engine"),
    "outlet": ("-m", "engine.outlet"),
}


@dataclass(frozen=True, slots=True)
class Process:
    """A process of the service on this machine. `used` descriptors are None if another user's."""

    kind: str
    pid: int
    limit: int
    used: int | None

    @property
    def is_short(self) -> bool:
        """Whether it has few descriptors left, or could not hold the connections of many visitors."""
        return (self.used or 0) > self.limit * _FULL or (self.kind == "web" and self.limit < _OPEN_FILES)


def _open_files(_: Services) -> Iterator[Finding]:
    found = [*_processes()]
    if not found:
        yield Finding("open files", "ok", "no process of the service is seen from here")
        return
    short = [each for each in found if each.is_short]
    for each in short[:_MOST_SHOWN]:
        used = "?" if each.used is None else f"{each.used:,}"
        advice = f"raise its limit to {_OPEN_FILES:,} or more: LimitNOFILE of systemd, ulimits of compose"
        yield Finding("open files", "warning", f"{each.kind}, process {each.pid}: {used} of {each.limit:,}", advice)
    if not short:
        kinds = {
            each.kind: max((other.used or 0, other.limit) for other in found if other.kind == each.kind)
            for each in found
        }
        words = ", ".join(f"{kind} {used:,} of {limit:,}" for kind, (used, limit) in sorted(kinds.items()))
        yield Finding("open files", "ok", words)


def _processes() -> Iterator[Process]:
    """Yield the processes of the service that this one may see: none elsewhere than on Linux."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = folder.joinpath("cmdline").read_bytes().decode(errors="replace").split("\0")
            kind = _kind_of(words)
            if kind:
                limits = folder.joinpath("limits").read_text(encoding="ascii")
                limit = next(line.split()[3] for line in limits.splitlines() if line.startswith("Max open files"))
                yield Process(kind, int(folder.name), int(limit) if limit.isdecimal() else 1 << 40, _used(folder))
        except OSError:  # it has ended, or is another user's
            continue


def _kind_of(words: Sequence[str]) -> str | None:
    names = [word.rpartition("/")[2] for word in words]
    return next((kind for kind, marks in _OURS.items() if all(mark in names for mark in marks)), None)


def _used(folder: Path) -> int | None:
    try:
        return len([*folder.joinpath("fd").iterdir()])
    except OSError:
        return None


def _dns(services: Services) -> Iterator[Finding]:
    if not services.settings.resolve_targets:
        yield Finding("DNS", "ok", "names are looked up by the screenshot API (RESOLVE_TARGETS=false)")
        return
    began = time.monotonic()
    try:
        socket.getaddrinfo("localhost.invalid", 80)  # which never exists: RFC 6761
    except socket.gaierror as err:
        unreachable = err.errno == socket.EAI_AGAIN
    else:
        advice = "use a resolver that says which names do not exist"
        yield Finding("DNS", "warning", "the resolver answers for names that do not exist", advice)
        return
    seconds = time.monotonic() - began
    if unreachable:
        yield Finding("DNS", "failed", "no name server answers", "check /etc/resolv.conf, and the firewall for port 53")
    elif seconds > _SLOW_LOOKUP:
        yield Finding("DNS", "warning", f"a look-up took {seconds:.1f} s", "check the name servers of /etc/resolv.conf")
    else:
        yield Finding("DNS", "ok", f"a look-up took {1000 * seconds:.0f} ms")


def _disk(services: Services) -> Iterator[Finding]:
    settings = services.settings
    folders = {"ORIGINALS_DIR": settings.originals_dir} if settings.originals == "folder" else {}
    if not settings.s3_bucket:
        folders["PERSIST_DIR"] = settings.persist_dir
    for variable, folder in folders.items():
        existing = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
        free = shutil.disk_usage(existing).free
        least = max(_LEAST_FREE, settings.persist_min_free)
        words = f"{variable}: {free >> 20:,} MiB free"
        if free < least:
            yield Finding(
                "disk", "warning", words, f"free {(least - free) >> 20:,} MiB, or set {variable} to another disk"
            )
        else:
            yield Finding("disk", "ok", words)


def _nginx(services: Services) -> Iterator[Finding]:
    folder = services.settings.nginx_cache_dir
    if folder is None:
        return
    if not folder.is_dir():
        advice = "check NGINX_CACHE_DIR: it is the folder of proxy_cache_path in nginx.conf, mounted here too"
        yield Finding("nginx", "failed", f"{folder} is not there", advice)
    elif not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        yield Finding("nginx", "failed", f"{folder} cannot be written", "run nginx and this service as the same user")
    else:
        yield Finding("nginx", "ok", f"purges can remove pictures from {folder}")


CHECKS: dict[str, Check] = {
    "disk": _disk,
    "nginx": _nginx,
    "fonts": _fonts,
    "open files": _open_files,
    "DNS": _dns,
}
