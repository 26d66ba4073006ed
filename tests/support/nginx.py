"""Runs nginx with the shipped configuration, but with the addresses and folders of a test."""

import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter

from scripts.system_packages import SYSTEM_PATH
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
        ("set $web web:8000;", f"set $web {urlsplit(web).netloc};"),
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


class _From(HTTPAdapter):
    """Connects from the given address of this machine."""

    def __init__(self, address):
        self._address = address
        super().__init__()

    def init_poolmanager(self, *args, **kwargs):
        super().init_poolmanager(*args, source_address=(self._address, 0), **kwargs)


@dataclass
class Edge:
    """A running nginx at `url`. It writes into `folder`."""

    url: str
    folder: Path

    def thumb(self, url="http://93.184.216.34/?token=s3cret", headers=None, visitor="127.0.0.1", **options):
        return self.get("/thumb", headers, visitor, url=url, **options)

    def get(self, path, headers=None, visitor="127.0.0.1", **query):
        with requests.Session() as session:
            session.mount("http://", _From(visitor))
            return session.get(self.url + path, params=query, headers=headers, timeout=30)

    def flood(self, path, count, headers=lambda number: None, **query):
        """Ask `count` times, over eight connections."""
        with requests.Session() as session, ThreadPoolExecutor(8) as pool:
            return list(
                pool.map(
                    lambda number: session.get(self.url + path, params=query, headers=headers(number), timeout=30),
                    range(count),
                )
            )

    @property
    def stored(self):
        return sum(path.is_file() for path in (self.folder / "cache").rglob("*"))


TLS_PROXY = """daemon off;
{user}pid {folder}/proxy.pid;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {folder}/proxy_body;
    proxy_temp_path {folder}/proxy_temp;
    fastcgi_temp_path {folder}/proxy_fastcgi;
    uwsgi_temp_path {folder}/proxy_uwsgi;
    scgi_temp_path {folder}/proxy_scgi;
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {certificate};
        ssl_certificate_key {certificate};
        location {path}/ {{
            proxy_pass {target}/;
            proxy_bind 127.0.0.1;
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_set_header X-Forwarded-Prefix "{path}";
        }}
    }}
}}
"""


@contextmanager
def running_tls_proxy(folder: Path, target: str, certificate: Path, path: str = "") -> Iterator[int]:
    """Run another nginx, as others have one in front of ours: it ends TLS and shows the URL `target` below `path`.

    Yield its port. `certificate` holds the key too.
    """
    port = free_port()
    config = folder / "proxy.conf"
    user = "user root;\n" if os.geteuid() == 0 else ""
    config.write_text(
        TLS_PROXY.format(user=user, folder=folder, port=port, certificate=certificate, target=target, path=path),
        encoding="utf-8",
    )
    with (folder / "proxy.log").open("ab") as errors:
        command = [NGINX, "-p", str(folder), "-c", str(config), "-e", str(folder / "proxy.log")]
        with running(command, port, stderr=errors):
            yield port
