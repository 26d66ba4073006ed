"""Profile a web process under load with py-spy. The shares in `bench/notes.md` come from here.

Run as `python -m bench.profile [hits 304s distinct refusals]`. Needs py-spy on the PATH and the right to trace (root).
"""

import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import requests

from bench.load import wrk
from bench.pictures import page_picture
from bench.scale import DISTINCT, fill_ours, zipf_pages
from bench.servers import ROOT, path, running_fake_api, running_ours_process
from tests.support.redis import running_redis

SECONDS = 8
LOADS = ("hits", "304s", "distinct", "refusals")
BLOCKED = "/thumb?url=http%3A%2F%2F169.254.169.254%2F"
# gevent's threads for name look-ups wait here. py-spy counts them as active.
WAITING = "acquire_with_timeout (gevent/_threading.py"
# A sample belongs to one of these libraries if any of its frames does. Otherwise the frame nearest to the leaf decides.
WHOLE = {"limits/": "limiter", "redis/": "Redis", "structlog/": "log", "logging/": "log"}
NEAREST = {
    "gevent/_socket": "socket",
    "gevent/": "gevent",
    "gunicorn": "gunicorn",
    "flask_limiter/": "limiter",
    "flask/": "Flask",
    "werkzeug/": "Flask",
    "logs.py": "log",
    "web/http/request_log.py": "log",
}


def main() -> None:
    for load in sys.argv[1:] or LOADS:
        with tempfile.TemporaryDirectory(prefix="bench-") as work:
            samples = _samples(Path(work), load)
        whole = sum(samples.values())
        print(f"{load}: {whole} samples")
        for title, keys in (("by owner", owner), ("at the leaf", leaf), ("anywhere in the stack", ours)):
            shares = Counter[str]()
            for stack, count in samples.items():
                shares.update(dict.fromkeys(keys(stack), count))
            print(f"  {title}: " + ", ".join(f"{each} {count / whole:.0%}" for each, count in shares.most_common(14)))


def owner(stack: str) -> set[str]:
    """Name the owner of a sample, as a set of one. `stack` is py-spy's `function (file:line);...`, the leaf last."""
    files = re.findall(r"\(([^():]+):\d+\)", stack)
    whole = (name for start, name in WHOLE.items() if any(file.startswith(start) for file in files))
    return {next(whole, None) or next(filter(None, map(_nearest, reversed(files))), "other")}


def _nearest(file: str) -> str | None:
    named = next((name for start, name in NEAREST.items() if file.startswith(start)), None)
    return named or ("ours" if (ROOT / file).is_file() else None)


def leaf(stack: str) -> set[str]:
    return {re.sub(r":\d+\)$", ")", stack.rpartition(";")[2])}


def ours(stack: str) -> set[str]:
    """Return all functions of our code in a sample's stack."""
    frames = re.findall(r"([^;]+) \(([^():]+):\d+\)", stack)
    return {f"{function} ({file})" for function, file in frames if (ROOT / file).is_file()}


def _samples(work: Path, load: str) -> Mapping[str, int]:
    """Return how often each stack of one worker was sampled under `load`."""
    with _server(work, load) as (url, pid):
        asked, headers = _requests(url, load)
        wrk(url, asked, 2, headers)
        out = work / "stacks"
        options = ["--duration", f"{SECONDS}", "--rate", "500", "--format", "raw", "--output", str(out)]
        spy = subprocess.Popen(
            ["py-spy", "record", *options, "--pid", str(pid)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wrk(url, asked, SECONDS + 2, headers)
        spy.wait()
        lines = out.read_text(encoding="utf-8").splitlines()
    counted = (line.rpartition(" ") for line in lines if WAITING not in line)
    return {stack: int(count) for stack, _, count in counted}


@contextmanager
def _server(work: Path, load: str) -> Iterator[tuple[str, int]]:
    """Run our web process, filled for `load`; yield its URL and the process id of one worker."""
    with (
        running_redis() as redis,
        running_fake_api(work) as api,
        running_ours_process(work, redis, api) as (url, master),
    ):
        if load == "distinct":
            fill_ours(redis.url, page_picture(), (1280, 720), range(DISTINCT))
        requests.get(url + path("hot"), timeout=30).raise_for_status()
        children = Path(f"/proc/{master.pid}/task/{master.pid}/children").read_text(encoding="utf-8")
        yield url, int(children.split()[0])


def _requests(url: str, load: str) -> tuple[list[str], dict[str, str]]:
    if load == "distinct":
        return zipf_pages(DISTINCT, 50_000), {}
    if load == "refusals":
        return [BLOCKED], {}
    etag = requests.get(url + path("hot"), timeout=30).headers["ETag"]
    return [path("hot")], {"If-None-Match": etag} if load == "304s" else {}


if __name__ == "__main__":
    main()
