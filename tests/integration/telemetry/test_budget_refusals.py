"""Each budget that refuses a client is counted by what it counts."""

import shutil

import pytest

import access.client_budgets
from options import MAX_BATCH
from telemetry.metrics import BUDGET_REFUSALS
from tests.support.admin import KEY, log_in
from tests.support.visitors import PAGE, get
from web.admin.log_in import FAILURES

REFUSED = "thumbnails_budget_refusals_total"


@pytest.fixture
def settings(settings, _migrated_file, tmp_path):
    shutil.copy(_migrated_file, tmp_path / "thumbnails.db")
    return settings | {"admin_key": KEY}


def persist(client):
    return client.post("/persist", json={"url": PAGE})


def order(client, pages=1):
    return client.post("/screenshots", json={"urls": [f"{PAGE}{number}" for number in range(pages)]})


def list_site(client):
    return client.post("/sites", json={"url": PAGE})


# Of each budget: the settings that make it small, and requests of which the last one is beyond it.
CASES = {
    "captures": (
        {"thumb_limit": "1 per hour"},
        lambda client: [get(client, f"{PAGE}{number}") for number in range(2)],
    ),
    "new_renditions": (
        {"rendition_limit": "1 per hour"},
        lambda client: [get(client, w=width) for width in (100, 200, 300)],  # the first comes with the capture
    ),
    "requests": (
        {"request_limit": "1 per hour"},
        lambda client: [client.get("/thumb?url=none") for _ in range(2)],
    ),
    "permanent_pictures": ({"persist_limit": "1 per hour"}, lambda client: [persist(client) for _ in range(2)]),
    "bytes_of_permanent_pictures": ({"persist_bytes_limit": 1}, lambda client: [persist(client)]),
    "requests_for_jobs": ({"job_limit": "1 per hour"}, lambda client: [order(client) for _ in range(2)]),
    "jobs": (
        {"job_queue_limit": 2 * MAX_BATCH},  # half of it a day
        lambda client: [order(client, pages) for pages in (MAX_BATCH, 1)],
    ),
    "new_sites": ({}, lambda client: [list_site(client) for _ in range(2)]),
    "failed_log_ins": (
        {},
        lambda client: [log_in(client, key="wrong") for _ in range(int(FAILURES.split()[0]) + 1)],
    ),
}


def test_every_budget_that_is_counted_has_a_case():
    assert CASES.keys() == set(BUDGET_REFUSALS.labels["budget"])


@pytest.mark.parametrize("budget", CASES)
def test_a_budget_that_is_used_up_is_counted_once(make_client, count, monkeypatch, budget):
    changes, ask = CASES[budget]
    monkeypatch.setattr(access.client_budgets, "SITES_A_DAY", 1)
    answers = ask(make_client(**changes))
    assert answers[-1].status_code == 429
    assert count(REFUSED, budget=budget) == count(REFUSED) == 1
