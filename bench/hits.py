"""A known picture: how many a second, beside the tutorial's design, a bare WSGI function and nginx; and refusals."""

from pathlib import Path

import requests

from bench.load import Load, alternate, must_be_clean, wrk
from bench.report import Row, count, percent, times
from bench.servers import Field, path, running_field, running_ours

SECONDS = 2
VISITORS = 10_000


def rows(work: Path) -> list[Row]:
    with running_field(work) as field:
        return [*_known(field), *_by_many(work, field), *_refused(field)]


def _known(field: Field) -> list[Row]:
    hot = [path("hot")]
    told = requests.get(field.ours + hot[0], timeout=30).headers
    validators = {"If-None-Match": told["ETag"], "If-Modified-Since": told["Last-Modified"]}  # as a browser does
    for url in (field.ours, field.edge, field.tutorial, field.bare):
        wrk(url, hot, 1)  # warm-up
    found = alternate(
        {
            "tutorial": lambda: wrk(field.tutorial, hot, SECONDS),
            "ours": lambda: wrk(field.ours, hot, SECONDS),
            "bare": lambda: wrk(field.bare, hot, SECONDS),
            "304": lambda: wrk(field.ours, hot, SECONDS, validators),
            "edge": lambda: wrk(field.edge, hot, SECONDS),
            "disk": lambda: wrk(field.disk, ["/hot.png"], SECONDS),
        }
    )
    must_be_clean(found)
    ours, tutorial, bare, edge, disk = (found[name] for name in ("ours", "tutorial", "bare", "edge", "disk"))
    beside, share = ours.rate / tutorial.rate, ours.rate / bare.rate
    kilobytes = len(field.picture) / 1000
    return [
        Row(
            f"hits/s of one picture of {kilobytes:.0f} kB, p99",
            _shown(ours),
            f"tutorial's design {_shown(tutorial)}",
            times(beside),
            "≥ 3 ×",
            beside >= 3,
            headline=True,
        ),
        Row(
            "the same",
            _shown(ours),
            f"bare WSGI function {_shown(bare)}",
            percent(share),
            "≥ 60 %",
            share >= 0.6,
            headline=True,
        ),
        Row(
            "304s/s",
            _shown(found["304"]),
            f"tutorial's 200s {_shown(tutorial)}",
            times(found["304"].rate / tutorial.rate),
            "≥ 4 ×",
            found["304"].rate >= 4 * tutorial.rate,
            headline=True,
        ),
        Row(
            "hits/s through nginx (`deploy/nginx.conf`)",
            _shown(edge),
            f"nginx from disk {_shown(disk)}",
            percent(edge.rate / disk.rate),
            "≥ 90 %",
            edge.rate >= 0.9 * disk.rate,
            headline=True,
        ),
    ]


def _by_many(work: Path, field: Field) -> list[Row]:
    """The first row again: behind a proxy, for visitors each of whom has the limit that is shipped."""
    hot, addresses = [path("hot")], {"X-Forwarded-For": "198.*.1"}
    shipped = {"request_limit": "1200 per minute", "trusted_proxies": 1}
    with running_ours(work, field.redis, field.api, **shipped) as ours:
        wrk(ours, hot, 1, {"X-Forwarded-For": "203.*.1"}, connections=4)  # warm-up
        found = alternate(
            {
                "tutorial": lambda: wrk(field.tutorial, hot, SECONDS),
                "ours": lambda: wrk(ours, hot * VISITORS, SECONDS, addresses),
                "bare": lambda: wrk(field.bare, hot, SECONDS),
            },
            rounds=2,
        )
    must_be_clean(found)
    beside, share = (found["ours"].rate / found[peer].rate for peer in ("tutorial", "bare"))
    return [
        Row(
            f"hits/s of one picture, asked for by {count(VISITORS)} visitors behind a proxy",
            _shown(found["ours"]),
            f"tutorial's design {_shown(found['tutorial'])}; bare {count(found['bare'].rate)} ({percent(share)})",
            times(beside),
            "≥ 3 ×",
            beside >= 3,
        )
    ]


def _refused(field: Field) -> list[Row]:
    # Each another one, so that nothing is remembered; the tutorial refuses nothing but another scheme.
    ours_asked = [f"/thumb?url=http%3A%2F%2F10.0.{n // 250}.{n % 250}%2F" for n in range(20_000)]
    peer_asked = [f"/thumb?url=file%3A%2F%2F%2Fetc%2F{n}" for n in range(20_000)]
    found = alternate(
        {"ours": lambda: wrk(field.ours, ours_asked, 2), "peer": lambda: wrk(field.tutorial, peer_asked, 2)}, rounds=2
    )
    ours, peer = found["ours"], found["peer"]
    if not ours.bad or ours.broken or not peer.bad or peer.broken:
        raise RuntimeError(f"not refused: {found}")
    return [
        Row(
            "refused requests/s (20,000 blocked URLs), time to refuse",
            f"{count(ours.rate)}, p50 {ours.p50:.1f} ms, p99 {ours.p99:.1f} ms",
            f"tutorial's design {count(peer.rate)}",
            times(ours.rate / peer.rate),
        )
    ]


def _shown(load: Load) -> str:
    return f"{count(load.rate)}, {load.p99:.1f} ms"
