"""The budgets of one client that the views charge."""

from dataclasses import dataclass

from access import RENDITION_BYTES, Budget, BudgetUsage, CaptureCharge, JobBudgets, requests_of
from options import MAX_BATCH
from services import Services
from web.http.callers import is_from_this_service

SITES_A_DAY = 50_000  # that one client may add: a large list, and room for corrections


@dataclass(frozen=True, slots=True)
class Budgets:
    captures: Budget
    renditions: Budget
    permanent_pictures: Budget
    permanent_bytes: Budget
    jobs: JobBudgets
    sites: Budget
    captures_of_keys: Budget  # counted by the day, for people: limits may be by the minute

    def charge_of(self, client: str, own_limit: str | None) -> CaptureCharge:
        """Return what charges `client` for a picture in the current request.

        `own_limit` is its own limit of captures, if it has one. A page that names a picture of this service, to be fetched
        for another caller, has nothing captured.
        """
        return CaptureCharge(
            self.captures,
            client,
            own_limit,
            renditions=self.renditions,
            permanent_bytes=self.permanent_bytes,
            tally=self.captures_of_keys if client.startswith("key:") else None,
            captures_nothing=is_from_this_service(),
        )


def build(services: Services) -> Budgets:
    """Make the budgets from the settings. They are counted in Redis, and in memory while Redis is down."""
    settings, counters = services.settings, services.counters
    jobs_a_day = max(settings.job_queue_limit // 2, MAX_BATCH)  # so that one client cannot fill the queue
    return Budgets(
        Budget(counters, settings.thumb_limit, "captures"),
        Budget(
            counters,
            settings.rendition_limit,
            "new renditions",
            note=f"of a size and format that is not known yet; each {RENDITION_BYTES // 1000} kB count as one",
        ),
        Budget(counters, settings.persist_limit, "permanent pictures"),
        services.permanent_bytes,
        JobBudgets(
            Budget(counters, settings.job_limit, "requests for jobs"),
            Budget(counters, f"{jobs_a_day} per day", "jobs", note="each picture of a batch counts"),
        ),
        Budget(counters, f"{SITES_A_DAY} per day", "new sites"),
        Budget(counters, "1000000000 per day", "captures of a key"),
    )


def usages(services: Services, budgets: Budgets, client: str, own_limit: str | None) -> dict[str, list[BudgetUsage]]:
    """Return what `client` has used of each of its budgets, in each window. Charges nothing."""
    return {
        "requests": requests_of(services.counters, services.settings.request_limit, client),
        "captures": budgets.captures.windows(client, own_limit),
        "renditions": budgets.renditions.windows(client),
        "permanent_pictures": budgets.permanent_pictures.windows(client),
        "permanent_bytes": budgets.permanent_bytes.windows(client),
        "job_requests": budgets.jobs.calls.windows(client),
        "jobs": budgets.jobs.jobs.windows(client),
        "sites": budgets.sites.windows(client),
    }
