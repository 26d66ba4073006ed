"""The commands on the pages for operators do what the pages say, on a real web process and real Redis servers."""

import base64
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import config
from sites.migrate import upgrade
from tests.support.screenshot_api import running_screenshot_api
from tests.support.web import running_web

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[3]
PAGES = ROOT / "docs" / "operations"
ADDRESS = "http://127.0.0.1:8000"  # of the pages


def commands(page, name):
    text = (PAGES / f"{page}.md").read_text(encoding="utf-8")
    (block,) = re.findall(rf"<!-- run: {name} -->\n *```sh\n(.*?)\n *```", text, re.DOTALL)
    return textwrap.dedent(block)


def run(folder, script, environ):
    shell = ["bash", "-euo", "pipefail", "-c", script]
    done = subprocess.run(shell, cwd=folder, env=environ, check=False, capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def installation(redis_server, tmp_path_factory):
    """A web process with the secrets that the first day's commands make, and the variables of a shell beside it."""
    folder = tmp_path_factory.mktemp("first-day")
    shell = {"PATH": f"{folder}:{os.environ['PATH']}"}
    status, _, errors = run(folder, commands("first-day", "secrets"), shell)
    assert status == 0, errors
    (folder / "thumbnails").write_text(f'#!/bin/sh\nexec {sys.executable} -m cli "$@"\n', encoding="utf-8")
    (folder / "thumbnails").chmod(0o755)
    made = dict(line.split("=", 1) for line in (folder / ".env").read_text(encoding="utf-8").splitlines())
    with running_screenshot_api("snapsharp", "sk_live_test") as api:
        settings = made | {
            "REDIS_URL": redis_server.url,
            "SNAPSHARP_API_KEY": "sk_live_test",
            "CAPTURE_URL": api.url,
            "RESOLVE_TARGETS": "false",
            "DATABASE_URL": f"sqlite:///{folder}/thumbnails.db",
            "PERSIST_DIR": folder / "media",
            "ORIGINALS_DIR": folder / "originals",
            "WEB_CONCURRENCY": 1,
        }
        upgrade(settings["DATABASE_URL"])
        with running_web(folder / "web.log", **settings) as url:
            environ = shell | {name: str(value) for name, value in settings.items()}
            yield folder, url, environ | {"PUBLIC_URL": url, "PYTHONPATH": str(ROOT)}


def test_the_secrets_of_the_first_day_are_settings_that_nobody_else_can_read(installation):
    folder, _, _ = installation
    text = (folder / ".env").read_text(encoding="utf-8")
    made = dict(line.split("=", 1) for line in text.splitlines())
    settings = config.Settings.of(**{name.lower(): value for name, value in made.items()})
    assert (folder / ".env").stat().st_mode & 0o777 == 0o600
    assert settings.public_url == "https://thumbs.example.com"
    assert len(settings.signing_keys[0]) == 48
    assert len(base64.b64decode(made["WEBHOOK_SECRET"].removeprefix("whsec_"))) == 32


def test_the_first_picture_is_signed_and_served(installation):
    folder, _, environ = installation
    status, _, errors = run(folder, commands("first-day", "picture"), environ)
    assert (status, errors) == (0, "")
    assert (folder / "thumb.png").read_bytes().startswith(b"\x89PNG")


def test_doctor_runs_every_day(installation):
    folder, _, environ = installation
    status, said, _ = run(folder, commands("every-day", "doctor"), environ)
    assert status in (0, 1), "1 if something is wrong here, such as a missing worker"
    assert "settings" in said


def test_a_backup_is_written_every_day(installation):
    folder, _, environ = installation
    status, _, errors = run(folder, commands("every-day", "backup"), environ)
    assert status == 0, errors
    assert (folder / "thumbnails-backup.tar.gz").stat().st_size > 0


def test_on_a_bad_day_the_first_look_names_what_is_wrong(installation):
    """Without a signature, the answer is a refusal, which the second command shows."""
    folder, url, environ = installation
    script = commands("bad-day", "first-look")
    assert script.count(ADDRESS) == 2
    status, said, _ = run(folder, script.replace(ADDRESS, url), environ)
    assert status in (0, 1)
    assert '"cache":"ok"' in said.replace(" ", "")
    assert "403" in said
    assert "settings" in said
