"""The alerts on what a real Prometheus recorded on good and bad days: `python -m bench.days tests/data/days`."""

import subprocess
from pathlib import Path

import pytest
import yaml

from bench.days import DAYS, GOOD_MINUTES, SCRAPE_SECONDS
from tests.support.monitoring import DEPLOY, alerts

RECORDED = Path(__file__).parents[2] / "data" / "days"
PROCESS, ERRORS, REDIS, STORAGE = (
    f"Thumbnails{name}" for name in ("ProcessDown", "Errors", "RedisFails", "StorageFails")
)
FIRES = {  # at the end of each day
    "good": set(),
    "state_redis_away": {REDIS, ERRORS},  # jobs are refused
    "cache_redis_away": {REDIS},
    "bucket_away": {STORAGE},
    "engine_killed": {PROCESS, ERRORS, "ThumbnailsBreakerOpen"},
    "browsers_crash": {"ThumbnailsBrowserRestarts"},
    "disk_full": {"ThumbnailsDiskFull", STORAGE},
    "worker_killed": {PROCESS, "ThumbnailsWorkerGone", "ThumbnailsJobsWait", ERRORS},  # no further jobs are taken
    "web_killed": {PROCESS},
    "api_slow": {"ThumbnailsCapturesSlow"},
    "attack": {"ThumbnailsRefusedTargets"},
    "cache_too_small": {"ThumbnailsCacheTooSmall"},
    "state_evicts": {"ThumbnailsStateEvicted"},
    "database_broken": {"ThumbnailsDatabaseFails"},
}


def firing(*names: str) -> list[dict[str, object]]:
    return [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in sorted(names)]


@pytest.mark.parametrize("day", DAYS)
def test_a_bad_day_fires_its_alerts_and_a_good_one_none(day, tmp_path):
    series = yaml.safe_load((RECORDED / f"{day}.yml").read_text(encoding="utf-8"))
    # Each alert once, however many series it fires for.
    query = 'group by (alertname) (ALERTS{alertstate="firing"})'
    end = (GOOD_MINUTES + DAYS[day].minutes) * 60 - SCRAPE_SECONDS
    expected = [(GOOD_MINUTES * 60, set()), (end, FIRES[day])]
    test = {
        "rule_files": [str(DEPLOY / "alerts.yml")],
        "evaluation_interval": f"{SCRAPE_SECONDS}s",
        "tests": [
            {
                "name": day,
                "interval": f"{SCRAPE_SECONDS}s",
                "input_series": series,
                "promql_expr_test": [
                    {"expr": query, "eval_time": f"{round(at)}s", "exp_samples": firing(*names)}
                    for at, names in expected
                ],
            }
        ],
    }
    (tmp_path / "test.yml").write_text(yaml.safe_dump(test, width=10_000), encoding="utf-8")
    done = subprocess.run(
        ["promtool", "test", "rules", tmp_path / "test.yml"], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_fires_on_some_day():
    assert set().union(*FIRES.values()) == {alert["alert"] for alert in alerts()}
