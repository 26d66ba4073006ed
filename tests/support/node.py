"""Installs packages of npm for tests, once for each lock file, and runs scripts with them."""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from tests.support.preloaded import ROOT

_CACHE = ROOT / ".venv" / "node"


def installed(folder: Path) -> Path:
    """Return a copy of `folder` with what its lock file names. The first test that needs it installs it."""
    digest = hashlib.sha256((folder / "package-lock.json").read_bytes()).hexdigest()[:16]
    home = _CACHE / digest
    home.mkdir(parents=True, exist_ok=True)
    with (home / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (home / ".complete").exists():
            for name in ("package.json", "package-lock.json"):
                shutil.copy(folder / name, home)
            command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
            done = subprocess.run(command, cwd=home, capture_output=True, text=True, check=False, timeout=100)
            assert done.returncode == 0, f"npm could not install {folder.name}:\n{done.stdout}{done.stderr}"
            (home / ".complete").touch()
    return home


def run_script(script: Path, *arguments: str) -> Any:
    """Run a script of Node with the packages of its folder. Return what it prints as JSON."""
    home = installed(script.parent)
    shutil.copy(script, home)
    return run_bare(home / script.name, *arguments)


def run_bare(script: Path, *arguments: str) -> Any:
    """Run a script of Node that needs no packages. Return what it prints as JSON."""
    environ = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    command = ["node", str(script), *arguments]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
