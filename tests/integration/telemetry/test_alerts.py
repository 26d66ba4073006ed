"""The alerts on what a real Prometheus recorded on good and bad days: `python -m bench.days tests/data/days`."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from bench.days import DAYS, GOOD_MINUTES, SCRAPE_SECONDS, SELECTORS, selectors
from tests.support.monitoring import DEPLOY, alerts
from tests.support.scrape import is_declared

RECORDED = Path(__file__).parents[2] / "data" / "days"
PROCESS, ERRORS, REDIS, STORAGE = (
    f"Thumbnails{name}" for name in ("ProcessDown", "Errors", "RedisFails", "StorageFails")
)
FIRES = {  # at the end of each day; no other alert fires at any time
    "good": set(),
    "dead_pages": set(),
    "no_network": {"ThumbnailsCapturesFail"},
    "state_redis_away": {REDIS, ERRORS},  # jobs are refused
    "cache_redis_away": {REDIS},
    "bucket_away": {STORAGE},
    "engine_killed": {PROCESS, ERRORS, "ThumbnailsBreakerOpen"},
    "engine_replaced": {PROCESS, "ThumbnailsHandedOver"},
    "browsers_crash": {"ThumbnailsBrowserRestarts"},
    "disk_full": {"ThumbnailsDiskFull", STORAGE},
    "worker_killed": {PROCESS, "ThumbnailsWorkerGone", "ThumbnailsJobsWait", ERRORS},  # no further jobs are taken
    "web_killed": {PROCESS},
    "api_slow": {"ThumbnailsCapturesSlow"},
    "attack": {"ThumbnailsRefusedTargets"},
    "cache_too_small": {"ThumbnailsCacheTooSmall"},
    "state_evicts": {"ThumbnailsStateEvicted"},
    "one_redis_evicts": {"ThumbnailsStateEvicted"},
    "database_broken": {"ThumbnailsDatabaseFails"},
    "purges_refused": {"ThumbnailsPurgeUnconfirmed"},
}


def recorded(day: str) -> list[dict[str, str]]:
    return yaml.safe_load((RECORDED / f"{day}.yml").read_text(encoding="utf-8"))


def firing(at: float, names: set[str], but: set[str] = frozenset()) -> dict[str, object]:
    """Expect `names` to fire `at` that second, whatever those of `but` do. Each alert counts once, for whatever it fires."""
    query = f'group by (alertname) (ALERTS{{alertstate="firing",alertname!~"{"|".join(sorted(but))}"}})'
    samples = [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in sorted(names)]
    return {"expr": query, "eval_time": f"{round(at)}s", "exp_samples": samples}


@pytest.mark.parametrize("day", DAYS)
def test_a_bad_day_fires_its_alerts_and_no_day_fires_others_at_any_time(day, tmp_path):
    good, end = GOOD_MINUTES * 60, (GOOD_MINUTES + DAYS[day].minutes) * 60 - SCRAPE_SECONDS
    times = range(0, round(end) + 1, SCRAPE_SECONDS)
    replay(
        recorded(day),
        [
            *(firing(at, set()) for at in times if at <= good),
            *(firing(at, set(), FIRES[day]) for at in times if at > good),
            firing(end, FIRES[day]),
        ],
        tmp_path,
    )


def replay(series: list[dict[str, str]], expected: list[dict[str, object]], folder: Path) -> None:
    """Let Prometheus judge `series` by the alerts, and assert that what is `expected` fires."""
    interval = f"{SCRAPE_SECONDS}s"
    test = {
        "rule_files": [str(DEPLOY / "alerts.yml")],
        "evaluation_interval": interval,
        "tests": [{"interval": interval, "input_series": series, "promql_expr_test": expected}],
    }
    (folder / "test.yml").write_text(yaml.safe_dump(test, width=10_000), encoding="utf-8")
    done = subprocess.run(
        ["promtool", "test", "rules", folder / "test.yml"], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_cluster_in_which_no_web_process_can_be_scheduled_is_noticed(tmp_path):
    """Prometheus then discovers no target that could be down."""
    series = [{"series": 'up{instance="10.0.0.7:9102",job="thumbnails",role="worker"}', "values": "1+0x20"}]
    replay(series, [firing(240, {PROCESS})], tmp_path)


def test_every_alert_fires_on_some_day():
    assert set().union(*FIRES.values()) == {alert["alert"] for alert in alerts()}


@pytest.mark.parametrize("day", DAYS)
def test_a_recorded_day_has_the_labels_that_are_declared(day):
    series = [each["series"] for each in recorded(day)]
    assert series
    for each in series:
        name, labels = each.partition("{")[0], dict(re.findall(r'(\w+)="([^"]*)"', each))
        assert labels.keys() >= {"instance", "job", "role"}, each
        own = {label: value for label, value in labels.items() if label not in ("instance", "job", "role")}
        assert (name, own) == ("up", {}) or is_declared(name, own), each


def test_what_every_alert_looks_at_was_recorded():
    """A day has only the series that the alerts selected then: on those, an alert that selects others stays silent."""
    names = {each["series"].partition("{")[0] for day in DAYS for each in recorded(day)}
    assert {each.partition("{")[0] for each in selectors()} <= names
    assert (RECORDED / SELECTORS).read_text(encoding="utf-8").splitlines() == selectors(), "record all days again"
