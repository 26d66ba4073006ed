"""`make setup`: install the missing system packages, `.venv` and the pinned requirements.

`--dev` adds the packages for tests and linting, `--bench` those for `make bench`.

Runs on the system's Python before any requirement is installed, so it uses only the standard library.
"""

import ast
import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

if sys.version_info < (3, 11):  # noqa: UP036 - this check is for users of an older Python
    sys.exit(
        f"Python 3.11 or newer is required, but {sys.executable} is {sys.version.split()[0]}."
        " Choose another: make setup PYTHON=python3.12"
    )

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
HALF_INSTALLED = VENV / ".half-installed"  # exists during an installation, and after one that was killed
Pip = Callable[..., subprocess.CompletedProcess[str]]
HEADLESS_SHELL = Path("/usr/lib/chromium/chromium-headless-shell")
# Full browsers work too, but each capture costs more. These are the binaries: the commands on the PATH are scripts or
# a snap.
FULL_BROWSERS = (Path("/usr/lib/chromium/chromium"), Path("/opt/google/chrome/chrome"))
# On Debian, an ordinary user's PATH lacks the folder of servers.
SYSTEM_PATH = f"{os.environ.get('PATH', os.defpath)}{os.pathsep}/usr/sbin"

NO_CHROMIUM = """\
apt has no chromium-headless-shell here (Ubuntu has Chromium only as a snap, which does not work).
Install Google Chrome, or set the path of a Chromium binary:  ENGINE_CHROMIUM=/path/to/chrome make run
Or let a hosted API take the screenshots:  SNAPSHARP_API_KEY=... make run"""


def main(kinds: set[str]) -> None:
    os.chdir(ROOT)
    with alone():
        install_packages(missing_packages(os.environ, kinds))
        make_venv()
        install_requirements("requirements-dev.txt" if kinds else "requirements.txt")
        if "bench" in kinds:
            install_requirements("requirements-bench.txt")


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


def missing_packages(environ: Mapping[str, str], kinds: Collection[str] = ()) -> list[str]:
    """List the packages that must be installed: no program on this machine serves their purpose yet."""
    return [package for package, served in needs(environ, kinds).items() if not served()]


def needs(environ: Mapping[str, str], kinds: Collection[str] = ()) -> dict[str, Callable[[], bool]]:
    """Map each package to a check whether its purpose is served. `kinds` may hold "dev" and "bench"."""
    wanted = {
        f"python3.{sys.version_info.minor}-venv": lambda: importlib.util.find_spec("ensurepip") is not None,
        "curl": lambda: shutil.which("curl") is not None,
        "redis-server": lambda: shutil.which("redis-server") is not None,
    }
    if kinds:
        wanted["nginx-light"] = lambda: shutil.which("nginx", path=SYSTEM_PATH) is not None
        # The front door's code is run in tests. A machine with Go needs no other compiler for it.
        wanted["php-cli"] = lambda: shutil.which("php") is not None
        wanted["gccgo"] = lambda: any(map(shutil.which, ("go", "gccgo")))
        wanted["postgresql"] = lambda: postgresql_programs() is not None
        wanted["nodejs"] = lambda: shutil.which("node") is not None  # for other services' own clients, in tests
        wanted["npm"] = lambda: shutil.which("npm") is not None
    if "bench" in kinds:
        wanted["wrk"] = lambda: shutil.which("wrk") is not None
    if needs_headless_shell(environ):
        wanted["chromium-headless-shell"] = HEADLESS_SHELL.exists
        wanted["chromium-sandbox"] = HEADLESS_SHELL.with_name("chrome-sandbox").exists
    return wanted | {package: lambda package=package: has_package(package) for package in PICTURE_PACKAGES}


def needs_headless_shell(environ: Mapping[str, str]) -> bool:
    """Return whether to capture with Debian's headless shell: no other is set, and it is installed or apt has it."""
    if any(environ.get(name) for name in ("ENGINE_CHROMIUM", "CAPTURE_URL", "SNAPSHARP_API_KEY")):
        return False
    return HEADLESS_SHELL.exists() or not any(map(Path.exists, FULL_BROWSERS)) or apt_offers("chromium-headless-shell")


def chromium() -> Path:
    """Find the browser to start: the headless shell, or else a full browser."""
    return next(filter(Path.exists, (HEADLESS_SHELL, *FULL_BROWSERS)), HEADLESS_SHELL)


def postgresql_programs() -> Path | None:
    """Find the folder of PostgreSQL's programs: Debian puts the server's into one for each version, the newest counts."""
    found = shutil.which("initdb")
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    path = folders[-1] if folders else Path(found) if found else None
    return path.parent if path else None


def apt_offers(package: str) -> bool:
    show = ["apt-cache", "show", package]
    return bool(shutil.which(show[0])) and subprocess.run(show, capture_output=True, check=False).returncode == 0


# Latin, emoji, the other scripts, CJK, rare CJK (42 MB in all), pdf.js, and the filter lists against advertisements.
PICTURE_PACKAGES = (
    "fonts-liberation",
    "fonts-noto-color-emoji",
    "fonts-noto-core",
    "fonts-wqy-zenhei",
    "libjs-pdf",
    "fonts-babelstone-han",
    "webext-ublock-origin-chromium",
)


def has_package(package: str) -> bool:
    """Return whether dpkg has installed `package`. True without dpkg, since pictures work without these packages."""
    if not shutil.which("dpkg-query"):
        return True
    query = ["dpkg-query", "--show", "--showformat=${db:Status-Status}", package]
    return subprocess.run(query, capture_output=True, text=True, check=False).stdout == "installed"


def install_packages(packages: list[str]) -> None:
    if not packages:
        return
    line = f"apt-get install -y --no-install-recommends {' '.join(packages)}"
    if not shutil.which("apt-get"):
        sys.exit(f"These packages are missing: {', '.join(packages)}. Install them; on Debian:\n  {line}")
    if os.geteuid() != 0 and not shutil.which("sudo"):
        sys.exit(f"Some system packages are missing, and sudo is not installed. Run as root:\n  {line}")
    apt("update", may_fail=True)  # another repository on this machine may be broken
    if HEADLESS_SHELL.name in packages and not apt_offers(HEADLESS_SHELL.name):
        sys.exit(NO_CHROMIUM)
    print(f"Installing with apt: {' '.join(packages)}", flush=True)
    apt(*line.split()[1:])


def apt(*arguments: str, may_fail: bool = False) -> None:
    """Run apt-get as root, silently unless it fails."""
    become_root = [] if os.geteuid() == 0 else ["sudo"]
    command = [*become_root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq"]
    wait_for_others = ["-o", "DPkg::Lock::Timeout=300"]  # a fresh machine is often updating itself
    done = subprocess.run([*command, *wait_for_others, *arguments], capture_output=True, text=True, check=False)
    if done.returncode and not may_fail:
        sys.exit(f"{done.stdout}{done.stderr}\napt-get failed. The command was:\n  apt-get {' '.join(arguments)}")


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
    with tempfile.TemporaryDirectory() as folder:
        zipfile.ZipFile(bundled_pip()).extractall(folder)  # installing pip into .venv would take longer than all else
        pip = partial(run_pip, folder)
        installed = install_with_uv(lock, pip) or install_with_pip(lock, pip)
    HALF_INSTALLED.unlink()
    if not installed:
        sys.exit(f"pip could not install {lock}: see its messages above.")
    mark_installed(lock)


def install_with_uv(lock: str, pip: Pip) -> bool:
    """Install a lock file with uv, and first uv itself with pip. Return whether it worked."""
    if not is_installed("requirements-setup.txt"):
        options = ["-qq", "--require-hashes", "--only-binary=:all:", "--no-compile"]
        if pip("install", *options, "-r", "requirements-setup.txt").returncode:
            return False
        mark_installed("requirements-setup.txt")
    config = pip_config(pip("config", "list", stdout=subprocess.PIPE).stdout)
    install = [str(VENV / "bin/uv"), "pip", "install", "--quiet", "--require-hashes", "--python", str(VENV), "-r", lock]
    if config.get("no-index", "false") not in ("false", "0"):
        install.append("--no-index")
    if os.environ.get("PYTHONDONTWRITEBYTECODE"):  # otherwise Python compiles only the modules that it imports
        install.append("--compile-bytecode")
    try:
        return subprocess.run(install, env=uv_environ(config) | os.environ, check=False).returncode == 0
    except OSError as err:  # it does not start here
        print(err, file=sys.stderr)
        return False


def install_with_pip(lock: str, pip: Pip) -> bool:
    """Install a lock file with pip, if uv is unavailable or fails. Return whether it worked."""
    print(f"uv could not install {lock}: see above. Installing with pip, which takes longer.", flush=True)
    return pip("install", "-qq", "--require-hashes", "-r", lock).returncode == 0


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


if __name__ == "__main__":
    main({argument.removeprefix("--") for argument in sys.argv[1:]})
