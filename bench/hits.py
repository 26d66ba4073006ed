"""Hits and refusals per second, compared with the tutorial's design, a bare WSGI function and nginx."""

from pathlib import Path

import requests

from bench.load import Load, alternate, require_clean, wrk
from bench.report import Row, count, percent, times
from bench.servers import Contenders, path, running_contenders, running_ours

SECONDS = 2
VISITORS = 10_000


def rows(work: Path) -> list[Row]:
    with running_contenders(work) as contenders:
        return [*_known(contenders), *_by_many(work, contenders), *_refused(contenders)]


def _known(contenders: Contenders) -> list[Row]:
    hot = [path("hot")]
    headers = requests.get(contenders.ours + hot[0], timeout=30).headers
    validators = {"If-None-Match": headers["ETag"], "If-Modified-Since": headers["Last-Modified"]}  # as a browser does
    for url in (contenders.ours, contenders.edge, contenders.tutorial, contenders.bare):
        wrk(url, hot, 1)  # warm-up
    found = alternate(
        {
            "tutorial": lambda: wrk(contenders.tutorial, hot, SECONDS),
            "ours": lambda: wrk(contenders.ours, hot, SECONDS),
            "bare": lambda: wrk(contenders.bare, hot, SECONDS),
            "304": lambda: wrk(contenders.ours, hot, SECONDS, validators),
            "edge": lambda: wrk(contenders.edge, hot, SECONDS),
            "disk": lambda: wrk(contenders.disk, ["/hot.png"], SECONDS),
        }
    )
    require_clean(found)
    ours, tutorial, bare, edge, disk = (found[name] for name in ("ours", "tutorial", "bare", "edge", "disk"))
    beside, share = ours.rate / tutorial.rate, ours.rate / bare.rate
    kilobytes = len(contenders.picture) / 1000
    return [
        Row(
            f"hits/s of one picture of {kilobytes:.0f} kB, p99",
            _describe(ours),
            f"tutorial's design {_describe(tutorial)}",
            times(beside),
            "≥ 3 ×",
            beside >= 3,
            headline=True,
        ),
        Row(
            "the same",
            _describe(ours),
            f"bare WSGI function {_describe(bare)}",
            percent(share),
            "≥ 60 %",
            share >= 0.6,
            headline=True,
        ),
        Row(
            "304s/s",
            _describe(found["304"]),
            f"tutorial's 200s {_describe(tutorial)}",
            times(found["304"].rate / tutorial.rate),
            "≥ 4 ×",
            found["304"].rate >= 4 * tutorial.rate,
            headline=True,
        ),
        Row(
            "hits/s through nginx (`deploy/nginx.conf`)",
            _describe(edge),
            f"nginx from disk {_describe(disk)}",
            percent(edge.rate / disk.rate),
            "≥ 90 %",
            edge.rate >= 0.9 * disk.rate,
            headline=True,
        ),
    ]


def _by_many(work: Path, contenders: Contenders) -> list[Row]:
    """Measure the first row again, behind a proxy, for many visitors with the default limit each."""
    hot, addresses = [path("hot")], {"X-Forwarded-For": "198.*.1"}
    shipped = {"request_limit": "3000 per minute", "trusted_proxies": 1}
    with running_ours(work, contenders.redis, contenders.api, **shipped) as ours:
        wrk(ours, hot, 1, {"X-Forwarded-For": "203.*.1"}, connections=4)  # warm-up
        found = alternate(
            {
                "tutorial": lambda: wrk(contenders.tutorial, hot, SECONDS),
                "ours": lambda: wrk(ours, hot * VISITORS, SECONDS, addresses),
                "bare": lambda: wrk(contenders.bare, hot, SECONDS),
            },
            rounds=2,
        )
    require_clean(found)
    beside, share = (found["ours"].rate / found[peer].rate for peer in ("tutorial", "bare"))
    return [
        Row(
            f"hits/s of one picture, requested by {count(VISITORS)} visitors behind a proxy",
            _describe(found["ours"]),
            f"tutorial's design {_describe(found['tutorial'])}; bare {count(found['bare'].rate)} ({percent(share)})",
            times(beside),
            "≥ 3 ×",
            beside >= 3,
        )
    ]


def _refused(contenders: Contenders) -> list[Row]:
    # Each URL is different, so that none is cached. The tutorial refuses only other schemes.
    ours_asked = [f"/thumb?url=http%3A%2F%2F10.0.{n // 250}.{n % 250}%2F" for n in range(20_000)]
    peer_asked = [f"/thumb?url=file%3A%2F%2F%2Fetc%2F{n}" for n in range(20_000)]
    found = alternate(
        {"ours": lambda: wrk(contenders.ours, ours_asked, 2), "peer": lambda: wrk(contenders.tutorial, peer_asked, 2)},
        rounds=2,
    )
    ours, peer = found["ours"], found["peer"]
    if not ours.bad or ours.broken or not peer.bad or peer.broken:
        raise RuntimeError(f"not every request was refused: {found}")
    return [
        Row(
            "refused requests/s (20,000 blocked URLs), time to refuse",
            f"{count(ours.rate)}, p50 {ours.p50:.1f} ms, p99 {ours.p99:.1f} ms",
            f"tutorial's design {count(peer.rate)}",
            times(ours.rate / peer.rate),
        )
    ]


def _describe(load: Load) -> str:
    return f"{count(load.rate)}, {load.p99:.1f} ms"
