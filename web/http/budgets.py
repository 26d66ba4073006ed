"""The budgets of one client that the views charge."""

from dataclasses import dataclass

from access import Budget, JobBudgets
from options import MAX_BATCH
from services import Services


@dataclass(frozen=True, slots=True)
class Budgets:
    captures: Budget
    permanent_pictures: Budget
    jobs: JobBudgets


def build(services: Services) -> Budgets:
    """Make the budgets from the settings. They are counted in Redis, and in memory while Redis is down."""
    settings, counters = services.settings, services.counters
    jobs_a_day = max(settings.job_queue_limit // 2, MAX_BATCH)  # so that one client cannot fill the queue
    return Budgets(
        Budget(counters, settings.thumb_limit, "captures"),
        Budget(counters, settings.persist_limit, "permanent pictures"),
        JobBudgets(
            Budget(counters, settings.job_limit, "requests for jobs"),
            Budget(counters, f"{jobs_a_day} per day", "jobs", note="each picture of a batch counts"),
        ),
    )
