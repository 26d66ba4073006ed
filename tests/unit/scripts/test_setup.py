"""`make setup` on machines that lack something."""

import os
import subprocess
import sys
from pathlib import Path

from scripts import setup

ROOT = Path(__file__).resolve().parents[3]


def test_without_apt_it_names_what_is_missing_in_one_line_and_stops(tmp_path):
    done = subprocess.run(
        [sys.executable, "scripts/setup.py"],
        cwd=ROOT,
        env=os.environ | {"PATH": str(tmp_path), "ENGINE_CHROMIUM": "/opt/chrome"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "Missing here: curl, redis-server. On Debian this line installs them:",
        "  apt-get install -y --no-install-recommends curl redis-server",
    ]


def test_a_chromium_that_the_operator_names_is_enough():
    assert "chromium-headless-shell" not in setup.needs({"ENGINE_CHROMIUM": "/opt/chrome"})


def test_a_hosted_api_needs_no_chromium():
    assert "chromium-headless-shell" not in setup.needs({"SNAPSHARP_API_KEY": "sk_live_1"})


def test_a_second_time_nothing_is_done():
    command = [ROOT / ".venv/bin/python", "scripts/setup.py"]
    subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=5)
    assert done.stdout + done.stderr == ""
