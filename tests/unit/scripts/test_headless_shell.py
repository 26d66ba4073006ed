"""Chromium's headless shell is fetched by Playwright's real installer, from a mirror of the test's own."""

import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from scripts import headless_shell
from tests.support.browser_mirror import SHELL, a_shell, half, of, running_mirror
from tests.support.disk import on_a_disk
from tests.support.processes import free_port, wait_until

ROOT = Path(__file__).resolve().parents[3]
FETCH = "import pathlib, sys; from scripts import headless_shell; headless_shell.fetch(pathlib.Path(sys.argv[1]))"
WORKS = a_shell("echo Chromium 1.2.3.4")
NO_ARCHIVE = "what came is no archive of a browser."
NO_LIBRARY = "/a/shell: error while loading shared libraries: libnss3.so: cannot open shared object file"
INSTEAD = (
    "Or name a Chromium (ENGINE_CHROMIUM=/path/to/chrome make run) or a hosted API (SNAPSHARP_API_KEY=... make run)."
)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "browsers"


def command(folder):
    return [sys.executable, "-c", FETCH, str(folder)]


def environ_for(host, **more):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PLAYWRIGHT")}
    return kept | {"PLAYWRIGHT_DOWNLOAD_HOST": host, "TMPDIR": "/tmp"} | more


def fetch(folder, host, prefix=(), **environ):
    return subprocess.run(
        [*prefix, *command(folder)],
        cwd=ROOT,
        env=environ_for(host, **environ),
        capture_output=True,
        text=True,
        check=False,
    )


def reason(done, begin="Chromium's headless shell could not be fetched: "):
    """Return why a fetch failed, of the only line that said so."""
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(begin), line
    assert line.endswith(f" {INSTEAD}"), line
    return line.removeprefix(begin).removesuffix(f" {INSTEAD}")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (half, "the download was interrupted. Start this again."),
        (
            of(b"<html>Log in to the hotel's network</html>"),
            f"{NO_ARCHIVE} Check PLAYWRIGHT_DOWNLOAD_HOST and your proxy, and start this again.",
        ),
    ],
    ids=["half of it", "another file"],
)
def test_a_download_that_fails_gets_one_line_that_says_what_to_do(folder, answer, said):
    with running_mirror(answer) as mirror:
        assert reason(fetch(folder, mirror.url)) == said
    assert not headless_shell.is_fetched(folder)


@pytest.mark.slow
def test_without_network_it_says_what_to_check(folder):
    said = reason(fetch(folder, f"http://127.0.0.1:{free_port()}"))
    assert said.startswith("its server cannot be reached. Check the network, set HTTPS_PROXY, or name a mirror in ")


@pytest.mark.slow
def test_a_full_disk_is_named(tmp_path, folder):
    (tmp_path / "small").mkdir()
    with running_mirror(of(bytes(3 << 20))) as mirror:
        done = fetch(folder, mirror.url, on_a_disk(tmp_path / "small", 1 << 20), TMPDIR=str(tmp_path / "small"))
    assert reason(done) == f"the disk is full. Free 500 MB in {folder} and in {tmp_path}/small, or set TMPDIR."


@pytest.mark.slow
def test_a_shell_that_does_not_start_is_removed_and_said(folder):
    with running_mirror(a_shell(f"echo '{NO_LIBRARY}' >&2; exit 127")) as mirror:
        said = reason(fetch(folder, mirror.url), "Chromium's headless shell was fetched, but does not start: ")
    assert said == "install the package that has libnss3.so."
    assert headless_shell.fetched(folder) == []


@pytest.mark.parametrize(
    ("program", "said"),
    [
        (b"#!/bin/sh\necho Chromium 1.2.3.4\n", ""),
        (b"#!/bin/sh\nexit 3\n", "it ended with status 3."),
        (b"\x7fELF of another machine", "[Errno 8] Exec format error: '{shell}'."),
    ],
)
def test_what_keeps_a_shell_from_starting_is_said(tmp_path, program, said):
    shell = tmp_path / SHELL
    shell.write_bytes(program)
    shell.chmod(0o755)
    assert headless_shell.broken(shell) == said.format(shell=shell)


@pytest.mark.slow
def test_a_download_that_its_user_interrupted_counts_as_none_and_the_next_one_is_found_and_not_repeated(folder):
    held = threading.Event()
    with running_mirror(lambda *_: held.wait()) as mirror:
        options = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True, "start_new_session": True}
        with subprocess.Popen(command(folder), cwd=ROOT, env=environ_for(mirror.url), **options) as process:
            wait_until(lambda: mirror.asked, "the download")
            os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C in a terminal does
            process.communicate()
        held.set()
        assert not headless_shell.is_fetched(folder)
        mirror.answer = WORKS
        done = fetch(folder, mirror.url)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [f"Fetching Chromium's headless shell into {folder} (110 MB)"]
    (shell,) = headless_shell.fetched(folder)
    assert shell.name == SHELL
    assert headless_shell.is_fetched(folder)
    assert mirror.asked[0].endswith(".zip")
    (folder / ".fetched-requirements-browser.txt").write_text("of an older lock file", encoding="utf-8")
    assert not headless_shell.is_fetched(folder)


@pytest.mark.parametrize(
    ("said", "part"),
    [
        ("Error: read ECONNRESET", "interrupted. Start this again."),
        (
            "Error: Download failed: server returned code 404 body '<p>timed out'. URL: http://x.example",
            "status 404. Try",
        ),
        ("Error: ENOENT: no such file or directory, chmod '/somewhere/chrome-headless-shell'", NO_ARCHIVE),
        ("Error: getaddrinfo ENOTFOUND mirror.example", "cannot be reached"),
        ("Error: getaddrinfo EAI_AGAIN mirror.example", "cannot be reached"),
        ("Error: Request to http://x.example timed out after 30000ms", "cannot be reached"),
        ("Error: self-signed certificate in certificate chain", "NODE_EXTRA_CA_CERTS"),
        ("Error: unable to get local issuer certificate", "NODE_EXTRA_CA_CERTS"),
        ("Error: EACCES: permission denied, mkdir '/opt/b'", "/somewhere cannot be written to"),
        ("Error: Download failed: size mismatch, file size: 1, expected size: 2", "interrupted"),
        ("Error: ERROR: Playwright does not support chromium-headless-shell on mac10.13", "none for this system"),
        ("Error: something new", "Error: something new"),
        ("", "does not say why"),
    ],
)
def test_each_failure_of_the_installer_is_one_line_that_says_what_to_do(said, part):
    line = headless_shell.failure(f"Failed to install browsers\n{said}\n", Path("/somewhere"))
    assert part in line
    assert "\n" not in line
    assert line.endswith(INSTEAD)


def test_the_folder_is_the_one_that_playwrights_variable_names(tmp_path):
    assert headless_shell.browsers_folder({"PLAYWRIGHT_BROWSERS_PATH": str(tmp_path)}) == tmp_path
    for unset in ({}, {"PLAYWRIGHT_BROWSERS_PATH": ""}, {"PLAYWRIGHT_BROWSERS_PATH": "0"}):
        assert "thumbnail-service" in str(headless_shell.browsers_folder(unset)) or os.geteuid() != 0


def test_the_newest_shell_whose_download_was_completed_is_used(tmp_path, monkeypatch):
    for version, completed in (("999", True), ("1255", True), ("1300", False)):
        inside = tmp_path / f"chromium_headless_shell-{version}" / "chrome-headless-shell-linux64"
        inside.mkdir(parents=True)
        (inside / SHELL).touch()
        if completed:
            (inside.parent / "INSTALLATION_COMPLETE").touch()
    monkeypatch.setattr(headless_shell, "PACKAGED", ())
    found = headless_shell.chromium({"PLAYWRIGHT_BROWSERS_PATH": str(tmp_path)})
    assert found.parents[1].name == "chromium_headless_shell-1255"


def test_the_installer_of_set_up_and_that_of_tests_have_one_version():
    locks = [(ROOT / f"requirements-{name}.txt").read_text(encoding="utf-8") for name in ("browser", "dev")]
    assert len({re.search(r"^playwright==(\S+)", lock, re.MULTILINE)[1] for lock in locks}) == 1
