"""`make demo-data`: fill the catalogue of a running `make run` with the sites of the demo server, and give them a history.

Each round turns the clock of the demo server forward, which changes its pages, and has all its sites captured again.
`python -m scripts.demo_data first` is for `make run` on a fresh machine: it only adds the first few of them.
"""

import sys
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import requests
from requests.exceptions import ConnectionError as NotConnected

import config
import services
from access import ApiKey
from demo.sites import table
from scripts import run
from sites.imports import ListKind

FIRST = 16  # two of each kind
DAYS = (1, 6, 23)  # by which each round turns the clock
POLL_SECONDS = 2
PATIENCE = 300  # seconds without any progress
TAG = "demo"
_EVER = datetime(1970, 1, 1, tzinfo=UTC)


class RunningService:
    """The API of the service that `make run` started, and the sites of the demo server in its catalogue."""

    def __init__(self, url: str, key: str | None) -> None:
        self.url = url
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy leads to loopback
        if key:
            self._session.headers["X-API-Key"] = key

    def call(self, method: str, path: str, **more: Any) -> Any:
        """Return the JSON of an answer. Waits where the service asks for patience, and stops the program at an error."""
        while True:
            try:
                answer = self._session.request(method, self.url + path, timeout=120, **more)
            except NotConnected:
                sys.exit(f"No service answers at {self.url}. Start it by `make run` first, in another terminal.")
            if answer.status_code != requests.codes.too_many_requests:
                break
            time.sleep(int(answer.headers.get("Retry-After", "5")))
        if not answer.ok:
            sys.exit(f"{method} {path} failed: {answer.json().get('detail', answer.status_code)}")
        return answer.json()

    def sites(self) -> Iterator[Mapping[str, Any]]:
        query: dict[str, Any] = {"tag": TAG, "sort": "added", "limit": 100}
        while True:
            page = self.call("GET", "/sites", params=query)
            yield from page["sites"]
            if not page["next"]:
                return
            query["cursor"] = page["next"]

    def wait_for_captures(self, since: datetime) -> None:
        """Wait until each site was captured, or has failed, after `since`."""
        left, progress = -1, time.monotonic()
        while True:
            waiting = sum(not _is_done(site, since) for site in self.sites())
            if waiting != left:
                left, progress = waiting, time.monotonic()
                print(f"  {left} to capture", flush=True)
            if not left:
                return
            if time.monotonic() - progress > PATIENCE:
                sys.exit("No site was captured for five minutes. Look at the log of `make run`.")
            time.sleep(POLL_SECONDS)


def _is_done(site: Mapping[str, Any], since: datetime) -> bool:
    captured = site["captured_at"] and datetime.fromisoformat(site["captured_at"]) >= since
    return bool(captured) or site["status"] == "failed"


def fill(service: RunningService, demo: str, clock: Path) -> None:
    """Import all sites of the demo server at `demo`, and capture them once more after each turn of its `clock`."""
    report = service.call("POST", "/sites/import?kind=csv", data=table(demo).encode())
    print(f"{report['added']} sites added, {report['unchanged']} are there already", flush=True)
    service.wait_for_captures(_EVER)
    for number, days in enumerate(DAYS, start=1):
        time.sleep(1)  # the API tells times in whole seconds: what was captured before is older than this round
        ahead = turn(clock, days)
        print(f"Round {number} of {len(DAYS)}: the demo pages are {ahead:g} days ahead", flush=True)
        began = datetime.now(UTC).replace(microsecond=0)
        for site in list(service.sites()):
            service.call("POST", f"/sites/{site['id']}/capture")
        service.wait_for_captures(began)


def turn(clock: Path, days: float) -> float:
    """Turn the demo server's clock forward by `days`, and return by how many it is ahead now."""
    ahead = (float(clock.read_text(encoding="utf-8")) if clock.exists() else 0.0) + days
    clock.parent.mkdir(parents=True, exist_ok=True)
    clock.write_text(f"{ahead:g}", encoding="utf-8")
    return ahead


def add_first(demo: str) -> None:
    """Add the demo pages and a few sites to the database that the settings name. They are due at once."""
    built = services.build(config.load())
    try:
        found = built.list_reader.read_body(table(demo, FIRST).encode(), ListKind.CSV)
        built.importer.prepare(found).run()
    finally:
        built.database.close()


def main(arguments: list[str]) -> None:
    settings = run.read_settings()
    port = settings.get("DEMO_PORT") or run.known_demo_port()
    demo = f"http://{run.LOOPBACK}:{port}"
    if arguments == ["first"]:
        add_first(demo)
        return
    if port is None or "demo" not in run.commands_to_run(settings):
        sys.exit("The demo server is not running. Start it by `make run` first, with the engine and not another API.")
    keys = [ApiKey.parse(entry).secret for entry in settings.get("API_KEYS", "").split(",") if entry]
    service = RunningService("http://{}:{}".format(*run.client_address(settings)), keys[0] if keys else None)
    fill(service, demo, run.demo_clock(settings))
    print(f"Done. Look at {service.url}/gallery")


if __name__ == "__main__":
    main(sys.argv[1:])
