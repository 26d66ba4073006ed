"""`make setup`: install the missing system packages, `.venv`, the pinned requirements, and a browser.

`--dev` adds the packages for tests and linting, `--bench` those for `make bench`.

Runs on the system's Python before any requirement is installed, so it uses only the standard library.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - this check is for users of an older Python
    sys.exit(
        f"Python 3.11 or newer is required, but {sys.executable} is {sys.version.split()[0]}."
        " Choose another: make setup PYTHON=python3.12"
    )

import fcntl
import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from scripts import headless_shell
from scripts.python_packages import ROOT, VENV, install_requirements, make_venv
from scripts.system_packages import (
    WELL_KNOWN,
    Manager,
    Purpose,
    essentials,
    for_benches,
    for_tests,
    install_missing,
    libraries,
    package_manager,
    pictures,
    update,
)

ABSENT = VENV / ".absent-packages"  # what this system has no package for, so that it is said once


def main(kinds: set[str]) -> None:
    os.chdir(ROOT)
    with alone():
        manager = package_manager()
        absent, fetches_shell = install_packages(settings(), kinds, manager)
        make_venv()
        note_absent(absent, purposes(kinds, manager))
        install_requirements("requirements-dev.txt" if kinds else "requirements.txt")
        if "bench" in kinds:
            install_requirements("requirements-bench.txt")
        write_command()
        if fetches_shell:
            headless_shell.fetch(headless_shell.browsers_folder(os.environ))


def write_command() -> None:
    """Write `.venv/bin/thumbnails`, which runs the command line of this checkout in whatever folder it is called."""
    path = VENV / "bin" / "thumbnails"
    text = f"#!{VENV / 'bin' / 'python'}\nimport sys\n\nsys.path.insert(0, {str(ROOT)!r})\n\nfrom cli.main import main\n\nmain()\n"
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
        path.chmod(0o755)


def settings() -> dict[str, str]:
    """Return the environment over the lines of `.env`, as the processes read them, quotes aside."""
    pairs = {}
    with suppress(OSError):
        lines = (ROOT / ".env").read_text(encoding="utf-8").splitlines()
        pairs = dict(line.split("=", 1) for line in lines if "=" in line)
    return {name.removeprefix("export ").strip(): value.strip() for name, value in pairs.items()} | os.environ


@contextmanager
def alone() -> Iterator[None]:
    """Wait until no other set-up of this checkout runs: it would take `.venv` for one whose installation was interrupted."""
    folder = os.open(ROOT, os.O_RDONLY)
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Another set-up of this checkout is running. Waiting for it.", flush=True)
            fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def install_packages(
    environ: Mapping[str, str], kinds: Collection[str], manager: Manager | None
) -> tuple[list[str], bool]:
    """Install the system packages whose purpose no program on this machine serves yet.

    Return what else this system turned out to have no package for, and whether to fetch a headless shell for that reason.
    """
    known = known_absent()
    wanted = {name: each for name, each in purposes(kinds, manager).items() if name not in known}
    missing = {name: each for name, each in wanted.items() if not each.served()}
    shell = missing_shell(environ, manager)
    if missing or shell:
        update(manager)
    fetches = bool(shell) and not offers_shell(manager)
    if fetches:
        shell = {name: each for name, each in libraries(manager).items() if not each.served()}
    absent = install_missing(missing | shell, manager) if missing or shell else []
    return absent, fetches


def purposes(kinds: Collection[str], manager: Manager | None) -> dict[str, Purpose]:
    """Map what is needed to its packages. `kinds` may hold "dev" and "bench"."""
    tests, benches = for_tests() if kinds else {}, for_benches() if "bench" in kinds else {}
    return essentials() | tests | benches | pictures(manager)


def missing_shell(environ: Mapping[str, str], manager: Manager | None) -> dict[str, Purpose]:
    """Return the packages of the headless shell, unless they are there, or another browser is."""
    if not headless_shell.needs_one(environ) or headless_shell.is_fetched(headless_shell.browsers_folder(environ)):
        return {}
    has_full_browser = any(map(Path.exists, headless_shell.FULL_BROWSERS))
    if has_full_browser and not headless_shell.is_packaged() and not offers_shell(manager):
        return {}
    return {name: each for name, each in headless_shell.packages().items() if not each.served()}


def offers_shell(manager: Manager | None) -> bool:
    """Return whether the system has packages of the headless shell, or does not know its packages yet."""
    names = {name for each in headless_shell.packages().values() for name in manager.names(each)} if manager else set()
    offered = manager.offers([*names, WELL_KNOWN]) if manager and names else {WELL_KNOWN}
    return (bool(names) and names <= offered) or WELL_KNOWN not in offered


def known_absent() -> list[str]:
    with suppress(OSError):
        return ABSENT.read_text(encoding="utf-8").splitlines()
    return []


def note_absent(absent: Collection[str], purposes: Mapping[str, Purpose]) -> None:
    """Say what this system has no package for, once for each `.venv`."""
    if absent:
        lost = ", ".join(purposes[name].lost for name in absent)
        print(f"This system has no package for: {lost}. All else works.", flush=True)
        ABSENT.write_text("\n".join([*known_absent(), *absent]), encoding="utf-8")


if __name__ == "__main__":
    try:
        main({argument.removeprefix("--") for argument in sys.argv[1:]})
    except KeyboardInterrupt:
        sys.exit("Set-up was interrupted. Start it again: it installs what is missing.")
