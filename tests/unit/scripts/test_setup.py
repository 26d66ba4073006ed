"""`make setup` on machines that lack a package."""

import base64
import fcntl
import functools
import hashlib
import os
import shutil
import subprocess
import sys
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from scripts import setup
from scripts.python_packages import pip_config, uv_environ
from tests.support.processes import wait_until

ROOT = Path(__file__).resolve().parents[3]


def test_without_apt_it_names_the_missing_packages_and_stops(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "scripts.setup"],
        cwd=ROOT,
        env=os.environ | {"PATH": str(tmp_path), "ENGINE_CHROMIUM": "/opt/chrome"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "These packages are missing: curl, redis-server. Install them; on Debian:",
        "  apt-get install -y --no-install-recommends curl redis-server",
    ]


@pytest.mark.parametrize("setting", ["ENGINE_CHROMIUM", "CAPTURE_URL", "SNAPSHARP_API_KEY"])
def test_a_chromium_or_an_api_that_the_operator_names_replaces_the_package(setting):
    assert setup.missing_shell({setting: "named"}, None) == {}


def test_a_second_run_does_nothing():
    command = [ROOT / ".venv/bin/python", "-m", "scripts.setup"]
    subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=5)
    assert done.stdout + done.stderr == ""


def test_a_chromium_that_the_file_of_settings_names_counts(tmp_path, monkeypatch):
    monkeypatch.setattr(setup, "ROOT", tmp_path)
    monkeypatch.delenv("ENGINE_CHROMIUM", raising=False)
    assert "ENGINE_CHROMIUM" not in setup.settings()
    (tmp_path / ".env").write_text(
        "# ours\nENGINE_CHROMIUM=/opt/chrome\n#CAPTURE_URL=http://no.example\n", encoding="utf-8"
    )
    assert setup.settings()["ENGINE_CHROMIUM"] == "/opt/chrome"
    assert not setup.settings().get("CAPTURE_URL")
    monkeypatch.setenv("ENGINE_CHROMIUM", "")
    assert setup.settings()["ENGINE_CHROMIUM"] == "", "an empty value means the default"


MODULES = ("__init__", "setup", "python_packages", "system_packages", "headless_shell")


def copy_of_setup(folder):
    (folder / "scripts").mkdir()
    for name in MODULES:
        shutil.copy(ROOT / f"scripts/{name}.py", folder / "scripts")


class Checkout:
    """A fresh clone, with our own test packages on a separate index that only pip's configuration names."""

    def __init__(self, folder, index):
        self.folder = folder
        self.index = folder / "index"
        self.pip_conf = folder / "pip.conf"
        self.pip_conf.write_text(f"[global]\nindex-url = {index}/index\n", encoding="utf-8")
        copy_of_setup(folder)

    def offer(self, name, files, lock, offered=True):
        """Make a wheel of `files` and a lock file that asks for it."""
        wheel = self.index / name / f"{name}-1.0-py3-none-any.whl"
        wheel.parent.mkdir(parents=True, exist_ok=True)
        info = f"{name}-1.0.dist-info"
        metadata = {
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n".encode(),
            f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        }
        record = "".join(f"{path},{sha256(data)},{len(data)}\n" for path, data in (files | metadata).items())
        with zipfile.ZipFile(wheel, "w") as archive:
            for path, data in (files | metadata | {f"{info}/RECORD": f"{record}{info}/RECORD,,\n".encode()}).items():
                entry = zipfile.ZipInfo(path)
                entry.external_attr = (0o100755 if "/scripts/" in path else 0o100644) << 16
                archive.writestr(entry, data)
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        (self.folder / lock).write_text(f"{name}==1.0 --hash=sha256:{digest}\n", encoding="utf-8")
        if not offered:
            shutil.rmtree(wheel.parent)

    def setup(self, *command, **more):
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_"))}
        environ |= {"PIP_CONFIG_FILE": str(self.pip_conf), "UV_CACHE_DIR": str(self.folder / "cache")} | more
        done = subprocess.run(
            [sys.executable, *(command or ("-m", "scripts.setup"))],
            cwd=self.folder,
            env=environ,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def installer(self, name):
        (path,) = self.folder.glob(f".venv/lib/*/site-packages/{name}-1.0.dist-info/INSTALLER")
        return path.read_text(encoding="utf-8").strip()


def sha256(data):
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")


@pytest.fixture
def checkout(tmp_path):
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=tmp_path)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield Checkout(tmp_path, f"http://127.0.0.1:{server.server_port}")
        finally:
            server.shutdown()
            thread.join()


UV = "uv-1.0.data/scripts/uv"
REAL_UV = f'#!/bin/sh\nexec {ROOT}/.venv/bin/uv "$@"\n'.encode()  # a wheel of its 50 MB would take most of the time


def waits_for_a_lock(folder):
    """Return whether a process waits for the lock of `folder`: https://man7.org/linux/man-pages/man5/proc_locks.5.html."""
    waiting = [line.split() for line in Path("/proc/locks").read_text(encoding="utf-8").splitlines() if "->" in line]
    return any(words[6].rpartition(":")[2] == str(folder.stat().st_ino) for words in waiting)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_second_set_up_waits_for_the_first_and_uv_installs_from_pips_index_what_is_not_installed_yet(checkout):
    checkout.offer("uv", {UV: REAL_UV}, "requirements-setup.txt")
    checkout.offer("colours", {"colours.py": b""}, "requirements.txt")
    first = os.open(checkout.folder, os.O_RDONLY)
    fcntl.flock(first, fcntl.LOCK_EX)
    with ThreadPoolExecutor(1) as pool:
        second = pool.submit(checkout.setup)
        wait_until(lambda: second.done() or waits_for_a_lock(checkout.folder), "the second set-up")
        assert not second.done()
        # Else it would take `.venv` for one whose installation was interrupted, and clear it.
        assert not (checkout.folder / ".venv").exists()
        os.close(first)
        waited, _, *said = second.result().splitlines()
    assert waited == "Another set-up of this checkout is running. Waiting for it."
    assert said == ["Installing requirements.txt into .venv"]
    assert checkout.installer("colours") == "uv"
    assert checkout.setup() == "", "a second run installs nothing"

    checkout.offer("shapes", {"shapes.py": b""}, "requirements.txt")  # the requirements change
    assert checkout.setup() == "Installing requirements.txt into .venv\n"
    assert checkout.installer("shapes") == "uv"

    (checkout.folder / ".venv/.half-installed").touch()  # as a kill during the installation leaves it
    assert checkout.setup().splitlines()[1:] == ["Installing requirements.txt into .venv"]
    assert not list(checkout.folder.glob(".venv/lib/*/site-packages/colours*")), ".venv was recreated"
    address = checkout.pip_conf.read_text(encoding="utf-8").split()[-1].encode()
    assert not [p for p in checkout.folder.glob(".venv/**/*") if p.is_file() and address in p.read_bytes()]


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "binary", [None, b"#!/bin/sh\nexit 1\n", b"\x7fELF of another machine"], ids=["missing", "failing", "broken"]
)
def test_pip_installs_and_says_so_if_uv_is_unavailable_or_fails(checkout, binary):
    checkout.offer("uv", {UV: binary or b""}, "requirements-setup.txt", offered=binary is not None)
    checkout.offer("colours", {"colours.py": b""}, "requirements.txt")
    assert checkout.setup().splitlines()[1:] == [
        "Installing requirements.txt into .venv",
        "uv could not install requirements.txt: see above. Installing with pip, which takes longer.",
    ]
    assert checkout.installer("colours") == "pip"
    assert checkout.setup() == ""


# In place of Playwright: it installs a script.
INSTALLER = b"""
import os, pathlib, sys
assert sys.argv[1:] == ["install", "--only-shell", "--no-progress", "--no-remove", "chromium"], sys.argv
folder = pathlib.Path(os.environ["PLAYWRIGHT_BROWSERS_PATH"]) / "chromium_headless_shell-7"
shell = folder / "chrome-headless-shell-linux64/chrome-headless-shell"
shell.parent.mkdir(parents=True)
shell.write_text("#!/bin/sh\\necho Chromium 1.2.3.4\\n")
shell.chmod(0o755)
(folder / "INSTALLATION_COMPLETE").touch()
"""
WITHOUT_BROWSER = """
from scripts import headless_shell, setup
headless_shell.PACKAGED = headless_shell.FULL_BROWSERS = ()
setup.main(set())
"""


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_installer_of_the_browser_is_removed_once_it_has_fetched_it(checkout):
    """On a system whose package manager offers no headless shell, and has all else installed."""
    checkout.offer("uv", {UV: REAL_UV}, "requirements-setup.txt")
    checkout.offer("colours", {"colours.py": b""}, "requirements.txt")
    checkout.offer("playwright", {"playwright/__main__.py": INSTALLER}, "requirements-browser.txt")
    (checkout.folder / "requirements-dev.txt").touch()
    programs, browsers = checkout.folder / "programs", checkout.folder / "browsers"
    programs.mkdir()
    answers = {"apt-cache": "echo 'curl:'; echo '  Candidate: 1'", "dpkg-query": "printf installed", "sudo": '"$@"'}
    for name, answer in (dict.fromkeys(("curl", "redis-server", "apt-get"), "") | answers).items():
        (programs / name).write_text(f"#!/bin/sh\n{answer}\n")
        (programs / name).chmod(0o755)
    for name in ("env", "chmod"):
        (programs / name).symlink_to(shutil.which(name))
    environ = {"PATH": str(programs), "PLAYWRIGHT_BROWSERS_PATH": str(browsers)}
    said = checkout.setup("-c", WITHOUT_BROWSER, **environ)
    assert said.splitlines()[-1] == f"Fetching Chromium's headless shell into {browsers} (110 MB)"
    assert list(browsers.glob("*/*/chrome-headless-shell"))
    assert not list(checkout.folder.glob(".venv/lib/*/site-packages/playwright*"))
    assert checkout.setup("-c", WITHOUT_BROWSER, **environ) == ""


def test_uv_gets_pips_settings_and_the_environment_overrides_the_files():
    listed = """\
:env:.timeout='30'
global.cert='/etc/ssl/ca.pem'
global.extra-index-url='\\nhttps://one.example/simple\\nhttps://two.example/simple'
global.find-links='/a /b'
global.index-url='https://global.example/simple'
global.timeout='60'
install.index-url='https://install.example/simple'
list.format='columns'
"""
    assert uv_environ(pip_config(listed)) == {
        "UV_DEFAULT_INDEX": "https://install.example/simple",
        "UV_INDEX": "https://one.example/simple https://two.example/simple",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_FIND_LINKS": "/a,/b",
        "UV_HTTP_TIMEOUT": "30",
        "SSL_CERT_FILE": "/etc/ssl/ca.pem",
    }
