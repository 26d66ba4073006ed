"""All code that `make run` starts can be imported on macOS, which a process without Linux's own calls stands for."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
IMPORT_ALL = """
import importlib, pkgutil, sys
sys.path.insert(0, ".")
ours = [each.name for each in pkgutil.iter_modules(["."]) if each.name not in ("tests", "bench", "clients")]
def names(packages):
    for name in packages:
        yield name
        module = importlib.import_module(name)
        for each in pkgutil.walk_packages(getattr(module, "__path__", []), f"{name}."):
            yield each.name
for name in names(ours):
    if name == "sites.migrations.env":  # alembic alone can import it
        continue
    importlib.import_module(name)
    print(name)
"""


def on_macos(*arguments, **environ):
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    command = [sys.executable, *arguments]
    path = {"PYTHONPATH": f"{ROOT}/tests/support/darwin:{ROOT}", "PYTHONDONTWRITEBYTECODE": ""}
    return subprocess.run(
        command, cwd=ROOT, env=kept | path | environ, capture_output=True, text=True, check=False, timeout=100
    )


@pytest.mark.slow
def test_every_module_can_be_imported_on_macos():
    done = on_macos("-c", IMPORT_ALL)
    assert done.returncode == 0, done.stderr
    assert {"app", "worker", "engine.browser.launcher", "scripts.supervisor", "netguard.resolver"} <= set(
        done.stdout.split()
    )


def test_gunicorn_takes_the_files_that_macos_allows():
    """Its kernel refuses more, although the hard limit that it reports is infinite."""
    code = "import resource, runpy; runpy.run_path('deploy/gunicorn.conf.py'); "
    done = on_macos("-c", code + "print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])")
    assert (done.stdout, done.stderr) == ("10240\n", "")
