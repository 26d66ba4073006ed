"""Makes `.venv` and installs the pinned requirements: with uv, from the index that pip is configured for, or else with pip.

Uses only the standard library: set-up runs before any requirement is installed.
"""

import ast
import hashlib
import os
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
HALF_INSTALLED = VENV / ".half-installed"  # exists during an installation, and after one that was killed
Pip = Callable[..., subprocess.CompletedProcess[str]]


def make_venv() -> None:
    """Create `.venv`. Recreate it if an installation was interrupted or if it belongs to another Python."""
    if mark_matches(VENV / ".python", sys.version) and not HALF_INSTALLED.exists():
        return
    print(f"Making .venv with Python {sys.version.split()[0]}", flush=True)
    subprocess.run([sys.executable, "-m", "venv", "--clear", "--without-pip", VENV], check=True)
    (VENV / ".python").write_text(sys.version, encoding="utf-8")


def install_requirements(lock: str) -> None:
    """Install a lock file, unless its mark says that the same bytes are installed."""
    if is_installed(lock):
        return
    print(f"Installing {lock} into .venv", flush=True)
    HALF_INSTALLED.touch()
    installed = install(lock)
    HALF_INSTALLED.unlink()
    if not installed:
        sys.exit(f"pip could not install {lock}: see its messages above.")
    mark_installed(lock)


@contextmanager
def installed_for_now(lock: str) -> Iterator[Path]:
    """Install a lock file into a folder of its own, which is removed afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        if not install(lock, "--target", folder):
            sys.exit(f"pip could not install {lock}: see its messages above.")
        yield Path(folder)


def install(lock: str, *target: str) -> bool:
    """Install a lock file into `.venv`, or where the options `target` say. Return whether it worked."""
    with tempfile.TemporaryDirectory() as folder:
        zipfile.ZipFile(bundled_pip()).extractall(folder)  # installing pip into .venv would take longer than all else
        pip = partial(run_pip, folder)
        return install_with_uv(lock, pip, target) or install_with_pip(lock, pip, target)


def install_with_uv(lock: str, pip: Pip, target: Sequence[str] = ()) -> bool:
    """Install a lock file with uv, and first uv itself with pip. Return whether it worked."""
    if not is_installed("requirements-setup.txt"):
        options = ["-qq", "--require-hashes", "--only-binary=:all:", "--no-compile"]
        if pip("install", *options, "-r", "requirements-setup.txt").returncode:
            return False
        mark_installed("requirements-setup.txt")
    config = pip_config(pip("config", "list", stdout=subprocess.PIPE).stdout)
    options = ["--quiet", "--require-hashes", "--python", str(VENV), *target]
    install = [str(VENV / "bin/uv"), "pip", "install", *options, "-r", lock]
    if config.get("no-index", "false") not in ("false", "0"):
        install.append("--no-index")
    if os.environ.get("PYTHONDONTWRITEBYTECODE"):  # otherwise Python compiles only the modules that it imports
        install.append("--compile-bytecode")
    try:
        return subprocess.run(install, env=uv_environ(config) | os.environ, check=False).returncode == 0
    except OSError as err:  # it does not start here
        print(err, file=sys.stderr)
        return False


def install_with_pip(lock: str, pip: Pip, target: Sequence[str] = ()) -> bool:
    """Install a lock file with pip, if uv is unavailable or fails. Return whether it worked."""
    print(f"uv could not install {lock}: see above. Installing with pip, which takes longer.", flush=True)
    return pip("install", "-qq", "--require-hashes", *target, "-r", lock).returncode == 0


def run_pip(folder: str, *arguments: str, stdout: int | None = None) -> subprocess.CompletedProcess[str]:
    """Run the pip in `folder` on `.venv`."""
    command = [str(VENV / "bin/python"), "-m", "pip", "--disable-pip-version-check", *arguments]
    environ = os.environ | {"PYTHONPATH": folder, "PYTHONDONTWRITEBYTECODE": ""}  # the second run finds the first's
    return subprocess.run(command, env=environ, stdout=stdout, text=True, check=False)


def bundled_pip() -> Path:
    """Find the wheel of pip that Python bundles for new environments. Debian keeps it in another folder."""
    import ensurepip  # noqa: PLC0415 - apt may only just have installed it

    folder = sysconfig.get_config_var("WHEEL_PKG_DIR") or Path(ensurepip.__file__).parent / "_bundled"
    return next(Path(folder).glob("pip-*.whl"))


def pip_config(listed: str) -> dict[str, str]:
    """Read what `pip config list` prints, as `pip install` does: its own section and the environment win."""
    lines = [line.partition("=") for line in listed.splitlines()]
    return {
        name.removeprefix(f"{section}."): " ".join(ast.literal_eval(value).split())
        for section in ("global", "install", ":env:")
        for name, _, value in lines
        if name.startswith(f"{section}.")
    }


# The settings of pip for package sources, and their names in uv, which does not read pip's.
UV_VARIABLES = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
    "client-cert": "SSL_CLIENT_CERT",
    "proxy": "ALL_PROXY",
    "timeout": "UV_HTTP_TIMEOUT",
    "default-timeout": "UV_HTTP_TIMEOUT",
}


def uv_environ(config: Mapping[str, str]) -> dict[str, str]:
    """Translate pip's settings to uv's variables. A URL may hold a password, which no file and no `ps` must show."""
    environ = {UV_VARIABLES[name]: value for name, value in config.items() if name in UV_VARIABLES}
    if "UV_FIND_LINKS" in environ:
        environ["UV_FIND_LINKS"] = environ["UV_FIND_LINKS"].replace(" ", ",")
    # Like pip, uv must ask every index. The hashes decide which packages are accepted.
    return environ | {"UV_INDEX_STRATEGY": "unsafe-best-match"}


def is_installed(lock: str) -> bool:
    return mark_matches(VENV / f".installed-{lock}", digest(lock))


def mark_installed(lock: str) -> None:
    (VENV / f".installed-{lock}").write_text(digest(lock), encoding="utf-8")


def digest(lock: str) -> str:
    return hashlib.sha256((ROOT / lock).read_bytes()).hexdigest()


def mark_matches(mark: Path, text: str) -> bool:
    return mark.exists() and mark.read_text(encoding="utf-8") == text
