"""All budgets of one client."""

from collections.abc import Callable
from dataclasses import dataclass

from access.budgets import RENDITION_BYTES, Budget, BudgetUsage, CaptureCharge, JobBudgets, requests_of
from access.counters import Counters
from config import Settings
from options import MAX_BATCH

SITES_A_DAY = 50_000  # that one client may add: a large list, and room for corrections


@dataclass(frozen=True, slots=True)
class Budgets:
    """`captures_nothing` says of the request at hand that nothing is captured for it, whatever is left."""

    counters: Counters
    request_limit: str
    captures: Budget
    renditions: Budget
    permanent_pictures: Budget
    permanent_bytes: Budget
    jobs: JobBudgets
    sites: Budget
    captures_of_keys: Budget  # counted by the day, for people: limits may be by the minute
    captures_nothing: Callable[[], bool] = lambda: False

    @classmethod
    def of(cls, settings: Settings, counters: Counters) -> "Budgets":
        """Make the budgets from the settings. They are counted in Redis, and in memory while Redis is down."""
        jobs_a_day = max(settings.job_queue_limit // 2, MAX_BATCH)  # so that one client cannot fill the queue
        return cls(
            counters,
            settings.request_limit,
            Budget(counters, settings.thumb_limit, "captures"),
            Budget(
                counters,
                settings.rendition_limit,
                "new renditions",
                note=f"of a size and format that is not known yet; each {RENDITION_BYTES // 1000} kB count as one",
            ),
            Budget(counters, settings.persist_limit, "permanent pictures"),
            Budget(counters, f"{settings.persist_bytes_limit} per day", "bytes of permanent pictures"),
            JobBudgets(
                Budget(counters, settings.job_limit, "requests for jobs"),
                Budget(counters, f"{jobs_a_day} per day", "jobs", note="each picture of a batch counts"),
            ),
            Budget(counters, f"{SITES_A_DAY} per day", "new sites"),
            Budget(counters, "1000000000 per day", "captures of a key"),
        )

    def charge_of(self, client: str, own_limit: str | None) -> CaptureCharge:
        """Return what charges `client` for a picture in the current request.

        `own_limit` is its own limit of captures, if it has one.
        """
        return CaptureCharge(
            self.captures,
            client,
            own_limit,
            renditions=self.renditions,
            permanent_bytes=self.permanent_bytes,
            tally=self.captures_of_keys if client.startswith("key:") else None,
            captures_nothing=self.captures_nothing(),
        )

    def usages(self, client: str, own_limit: str | None) -> dict[str, list[BudgetUsage]]:
        """Return what `client` has used of each of its budgets, in each window. Charges nothing."""
        return {
            "requests": requests_of(self.counters, self.request_limit, client),
            "captures": self.captures.windows(client, own_limit),
            "renditions": self.renditions.windows(client),
            "permanent_pictures": self.permanent_pictures.windows(client),
            "permanent_bytes": self.permanent_bytes.windows(client),
            "job_requests": self.jobs.calls.windows(client),
            "jobs": self.jobs.jobs.windows(client),
            "sites": self.sites.windows(client),
        }
