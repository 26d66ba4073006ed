"""Chromium's headless shell: finds it, and fetches it with Playwright's installer where the system has no package of it.

Uses only the standard library: set-up runs before any requirement is installed.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

from scripts.python_packages import ROOT, VENV, digest, installed_for_now, is_installed, mark_matches
from scripts.system_packages import Purpose

LOCK = "requirements-browser.txt"  # the installer's version is the browser's
DEBIANS, FEDORAS = Path("/usr/lib/chromium/chromium-headless-shell"), Path("/usr/lib64/chromium-browser/headless_shell")
PACKAGED = (DEBIANS, FEDORAS)
# Full browsers work too, but each capture costs more. These are the binaries: the commands on the PATH are scripts or
# a snap.
FULL_BROWSERS = (Path("/usr/lib/chromium/chromium"), Path("/opt/google/chrome/chrome"))
FETCHED = "chromium_headless_shell-[0-9]*/*/chrome-headless-shell"  # where Playwright puts it, on each system
VERSION_SECONDS = 30  # on macOS, the first start of a program waits until the system has looked at it

INSTEAD = (
    "Or name a Chromium (ENGINE_CHROMIUM=/path/to/chrome make run) or a hosted API (SNAPSHARP_API_KEY=... make run)."
)

# What Playwright's installer prints when it fails, and what to say of it. Each line ends with what to do.
FAILURES = (
    (
        r"server returned code (\d+)",
        "its server answered with status {0}. Try again later, or name another in PLAYWRIGHT_DOWNLOAD_HOST.",
    ),
    (r"ENOSPC|no space left", "the disk is full. Free 500 MB in {folder} and in {temporary}, or set TMPDIR."),
    (r"EACCES|EPERM|EROFS", "{folder} cannot be written to. Name another folder in PLAYWRIGHT_BROWSERS_PATH."),
    (r"certificate", "its server's certificate is unknown. Name your proxy's in NODE_EXTRA_CA_CERTS."),
    (
        r"ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ENETUNREACH|EHOSTUNREACH|ETIMEDOUT|timed out",
        "its server cannot be reached. Check the network, set HTTPS_PROXY, or name a mirror in PLAYWRIGHT_DOWNLOAD_HOST.",
    ),
    (
        r"ECONNRESET|server closed connection|aborted|hang up|size mismatch",
        "the download was interrupted. Start this again.",
    ),
    (
        r"central directory|not a zip|invalid|unexpected end|truncated|ENOENT",
        "what came is no archive of a browser. Check PLAYWRIGHT_DOWNLOAD_HOST and your proxy, and start this again.",
    ),
    (r"active lockfile", "another Playwright is installing a browser in {folder}. Start this again in a minute."),
    (r"does not support", "Playwright has none for this system."),
)


def needs_one(environ: Mapping[str, str]) -> bool:
    """Return whether a browser of this machine captures: no other binary and no screenshot API is set."""
    return not any(environ.get(name) for name in ("ENGINE_CHROMIUM", "CAPTURE_URL", "SNAPSHARP_API_KEY"))


def packages() -> dict[str, Purpose]:
    """Return the packages of a system that has the headless shell. Fedora's brings its sandbox with it."""
    sandbox = DEBIANS.with_name("chrome-sandbox")
    return {
        "Chromium's headless shell": Purpose(is_packaged, apt=("chromium-headless-shell",), dnf=("chromium-headless",)),
        "Chromium's sandbox": Purpose(
            lambda: sandbox.exists() or FEDORAS.exists(), apt=("chromium-sandbox",), dnf=("chromium-common",)
        ),
    }


def is_packaged() -> bool:
    return any(map(Path.exists, PACKAGED))


def chromium(environ: Mapping[str, str] = os.environ) -> Path:
    """Find the browser to start: a headless shell, of the system or fetched, or else a full browser."""
    found = chain(PACKAGED, fetched(browsers_folder(environ)), FULL_BROWSERS)
    return next(filter(Path.exists, found), DEBIANS)


def browsers_folder(environ: Mapping[str, str]) -> Path:
    """Return where the headless shell is fetched to: what Playwright's own variable names, or a folder of this checkout.

    An engine that root starts runs the browser as another user, who cannot enter root's own folders.
    """
    named = environ.get("PLAYWRIGHT_BROWSERS_PATH", "")
    if named not in ("", "0"):  # 0: in the installer's own folder, which is removed
        return Path(named).expanduser().resolve()
    return Path("/usr/local/lib/thumbnail-service") if os.geteuid() == 0 else ROOT / ".browsers"


def fetched(folder: Path) -> list[Path]:
    """List the headless shells below `folder` whose download was completed, the newest first."""
    shells = [path for path in folder.glob(FETCHED) if (path.parents[1] / "INSTALLATION_COMPLETE").exists()]
    return sorted(shells, key=lambda path: int(path.parents[1].name.rpartition("-")[2]), reverse=True)


def is_fetched(folder: Path) -> bool:
    """Return whether the headless shell of the lock file is there."""
    return bool(fetched(folder)) and mark_matches(folder / f".fetched-{LOCK}", digest(LOCK))


def fetch(folder: Path) -> None:
    """Fetch the headless shell of the lock file into `folder`. Exits with one line that says what to do if that fails."""
    print(f"Fetching Chromium's headless shell into {folder} (110 MB)", flush=True)
    with installer() as (command, environ):
        done = _run_installer(command, environ, folder)
    shells = fetched(folder)
    # The installer also fetches a program for videos, which nothing here needs.
    if not shells:
        sys.exit(failure(f"{done.stderr}\n{done.stdout}", folder))
    if problem := broken(shells[0]):
        shutil.rmtree(shells[0].parents[1])  # or the installer would take it for complete
        sys.exit(f"Chromium's headless shell was fetched, but does not start: {problem} {INSTEAD}")
    subprocess.run(["chmod", "-R", "a+rX", folder], check=True)  # for the browser's user, whatever the umask
    (folder / f".fetched-{LOCK}").write_text(digest(LOCK), encoding="utf-8")


@contextmanager
def installer() -> Iterator[tuple[list[str], dict[str, str]]]:
    """Yield how to start Playwright's installer: tests have it in `.venv`, else it is installed and removed again."""
    command = [str(VENV / "bin/python"), "-m", "playwright"]
    if is_installed("requirements-dev.txt"):
        yield command, {}
        return
    with installed_for_now(LOCK) as target:
        yield command, {"PYTHONPATH": str(target)}


def _run_installer(command: list[str], environ: Mapping[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    # In a folder of our own, earlier versions go. In one that others use too, what they have fetched stays.
    keep = ["--no-remove"] if os.environ.get("PLAYWRIGHT_BROWSERS_PATH") else []
    whole = [*command, "install", "--only-shell", "--no-progress", *keep, "chromium"]
    whole_environ = {**os.environ, "PLAYWRIGHT_BROWSERS_PATH": str(folder), **environ}
    return subprocess.run(whole, env=whole_environ, capture_output=True, text=True, check=False)


def failure(said: str, folder: Path) -> str:
    """Say in one line why Playwright's installer failed, and what to do."""
    begin = "Chromium's headless shell could not be fetched:"
    places = {"folder": folder, "temporary": os.environ.get("TMPDIR", "/tmp")}  # noqa: S108 - only named
    of_the_cause = re.sub(r"https?://\S+", "", said.replace(str(folder), ""))
    for pattern, text in FAILURES:
        if found := re.search(pattern, of_the_cause, re.IGNORECASE):
            return f"{begin} {text.format(*found.groups(), **places)} {INSTEAD}"
    lines = [line.strip() for line in said.splitlines() if "Error:" in line]
    return f"{begin} {lines[0] if lines else 'Playwright does not say why.'} {INSTEAD}"


def broken(shell: Path) -> str:
    """Start a headless shell, and say what keeps it from starting, if anything does."""
    try:
        command = [str(shell), "--version"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=VERSION_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as err:
        return f"{err}."
    if done.returncode == 0:
        return ""
    missing = re.search(r"shared libraries: (\S+):", done.stderr)
    return f"install the package that has {missing[1]}." if missing else f"it ended with status {done.returncode}."
