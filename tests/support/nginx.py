"""Runs nginx with the shipped configuration, but with the addresses and folders of a test."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from scripts.setup import SYSTEM_PATH
from tests.support import leaks
from tests.support.processes import free_port, running

NGINX = shutil.which("nginx", path=SYSTEM_PATH) or "nginx"
CONFIG = Path(__file__).parents[2] / "deploy" / "nginx.conf"


def adapted(folder: Path, port: int, web: str, *changes: tuple[str, str]) -> str:
    """Return the shipped configuration for `port`, proxying to the URL `web` and writing into `folder`.

    `changes` are an operator's own: pairs of the shipped text and its replacement.
    """
    text = CONFIG.read_text(encoding="utf-8")
    for shipped, here in (
        *changes,
        ("/tmp/", f"{folder}/"),
        ("/var/cache/nginx", f"{folder}/cache"),
        ("/dev/stdout", f"{folder}/access.log"),
        ("listen 8080;", f"listen 127.0.0.1:{port};"),
        ("server web:8000;", f"server {urlsplit(web).netloc};"),
    ):
        assert shipped in text, f"{shipped} is not in {CONFIG.name}"
        text = text.replace(shipped, here)
    # As root, nginx would switch to an account that cannot enter a test's folder.
    user = "user root;\n" if os.geteuid() == 0 else ""
    return f"daemon off;\n{user}{text}"


@contextmanager
def running_nginx(folder: Path, web: str, *changes: tuple[str, str]) -> Iterator[str]:
    """Run nginx in front of the URL `web` and yield its URL. It writes into `folder`. `changes` as in `adapted`."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    config = folder / "nginx.conf"
    config.write_text(adapted(folder, port, web, *changes), encoding="utf-8")
    command = [NGINX, "-p", str(folder), "-c", str(config), "-e", str(folder / "error.log")]
    logs = [folder / name for name in ("access.log", "error.log", "stderr")]
    with leaks.watched(*logs), logs[-1].open("ab") as errors, running(command, port, stderr=errors):
        yield f"http://127.0.0.1:{port}"
