"""Pages that show and change nothing: overview, failures, jobs, what is stored, keys, and the audit log."""

import shutil
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from flask import Blueprint, Response, request

from access import BudgetUsage
from coordination import RedisMemory, read_memory
from errors import QueueUnavailable
from jobs import Job
from services import Services
from sites import Filters, SitePage, Status, take_census
from web.admin.list_query import SiteListQuery
from web.admin.plots import Plot, plots_of
from web.http.budgets import Budgets
from web.ui.pages import page

_FEW = 5  # of each kind on the overview
_NEWEST_JOBS = 50
_ENTRIES = 50  # of a page of the audit log


def add_reports(views: Blueprint, services: Services, budgets: Budgets) -> None:
    @views.get("")
    def overview() -> Response:
        return page(
            "admin/overview.html",
            counts=services.catalogue.counts(),
            failing=services.catalogue.find(Filters(status=Status.FAILED, limit=_FEW)).sites,
            jobs=_jobs(services),
            down=_down(services),
            budget=services.settings.sites_budget,
            site_captures=_captures_of_sites(services),
            memories=[place for place in _memories(services) if not place.problem],
            entries=services.audit.entries(limit=_FEW),
            plots=_plots(services),
            is_measured=services.settings.metrics_port is not None,
            slowest=services.page_figures.slowest(),
            failing_pages=services.page_figures.failing(),
        )

    @views.get("/failures")
    def failures() -> Response:
        query = replace(SiteListQuery.of(request.args), status=Status.FAILED.value)
        found: SitePage = services.catalogue.find(query.filters())
        return page("admin/failures.html", found=found)

    @views.get("/jobs")
    def jobs() -> Response:
        return page("admin/jobs.html", jobs=_jobs(services), newest=_newest_jobs(services))

    @views.get("/storage")
    def storage() -> Response:
        return page("admin/storage.html", census=take_census(services.database), places=_places(services))

    @views.get("/keys")
    def keys() -> Response:
        return page("admin/keys.html", uses=[_use_of(services, budgets, key.name) for key in services.access.keys])

    @views.get("/audit")
    def audit() -> Response:
        before = request.args.get("before", type=int)
        entries = services.audit.entries(before, _ENTRIES)
        older = entries[-1].id if len(entries) == _ENTRIES else None
        return page("admin/audit.html", entries=entries, before=before, older=older)


def _plots(services: Services) -> list[Plot]:
    """Return the plots of the last day, none if nothing was counted in it or Redis does not answer."""
    slots = services.day_figures.read() or ()
    return plots_of(slots) if any(slot.counts for slot in slots) else []


@dataclass(frozen=True, slots=True)
class DownAPI:
    """A screenshot API that is not called, and the first one that is, "" without any."""

    name: str
    substitute: str


def _down(services: Services) -> list[DownAPI]:
    is_open = services.screenshot_api.open_breakers()  # in the operator's order
    substitute = next((name for name in is_open if not is_open[name]), "")
    return [DownAPI(name, substitute) for name in is_open if is_open[name]]


@dataclass(frozen=True, slots=True)
class JobsNow:
    """The state of all jobs, and what is wrong with it in words, if anything is."""

    pending: int
    processing: int
    completed: int
    failed: int
    oldest_seconds: int | None
    worker_seconds: int | None

    @property
    def problem(self) -> str:
        if self.worker_seconds is None:
            return "No worker was ever seen, so no job and no site is captured. Start one."
        if self.worker_seconds > 60:
            return f"The last worker was seen {self.worker_seconds // 60} minutes ago. Jobs wait for one."
        return ""


def _jobs(services: Services) -> JobsNow | None:
    """Return the state of all jobs, None if Redis does not answer."""
    try:
        stats = services.jobs.store.stats()
    except QueueUnavailable:
        return None
    oldest, seen, jobs = stats.oldest_seconds, stats.worker_seen_seconds, stats.jobs
    return JobsNow(
        jobs["pending"],
        jobs["processing"],
        jobs["completed"],
        jobs["failed"],
        None if oldest is None else int(oldest),
        None if seen is None else int(seen),
    )


@dataclass(frozen=True, slots=True)
class JobLine:
    """A job as the list shows it."""

    id: str
    host: str
    state: str
    owner: str
    queue: str
    created_at: datetime
    problem: str


def _newest_jobs(services: Services) -> list[JobLine]:
    try:
        return [_line_of(job) for job in services.jobs.store.newest(_NEWEST_JOBS)]
    except QueueUnavailable:
        return []


def _line_of(job: Job) -> JobLine:
    created = datetime.fromtimestamp(job.created_at, UTC)
    problem = job.problem.detail if job.problem else ""
    return JobLine(job.id, job.wanted.target.netloc, job.state, job.owner, job.queue, created, problem)


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is kept: its share of what it may have, in bytes. `most` is 0 if nothing limits it."""

    name: str
    holds: str
    where: str
    used: int | None = None
    most: int = 0
    problem: str = ""

    @property
    def share(self) -> int:
        """In percent."""
        return round(100 * (self.used or 0) / self.most) if self.most else 0


def _captures_of_sites(services: Services) -> int | None:
    """Return how many captures of sites there were today, None if Redis does not answer."""
    try:
        return services.site_capturer.pace.spent_today()
    except QueueUnavailable:
        return None


def _memories(services: Services) -> list[Place]:
    connections = services.connections
    cache = read_memory(connections.cache.client, connections.cache.breaker)
    places = [_memory("Cache", "pictures in the sizes that were asked for", "REDIS_URL", cache)]
    if not connections.shared:
        state = read_memory(connections.state.client, connections.state.breaker)
        places.append(_memory("State", "limits, leases and jobs", "STATE_REDIS_URL", state))
    return places


def _places(services: Services) -> list[Place]:
    settings, places = services.settings, _memories(services)
    if settings.s3_bucket:
        places.append(
            Place("Permanent pictures", "those of /persist, of jobs and of sites", "in the bucket of S3_BUCKET")
        )
    else:
        places.append(_disk("Permanent pictures", "those of /persist, of jobs and of sites", settings.persist_dir))
    if settings.originals == "folder":
        places.append(_disk("Originals", "captured pages, from which every size is made", settings.originals_dir))
    return places


def _memory(name: str, holds: str, variable: str, memory: RedisMemory | None) -> Place:
    if memory is None:
        return Place(name, holds, f"in Redis ({variable})", problem="It does not answer.")
    return Place(name, holds, f"in Redis ({variable})", memory.used, memory.most)


def _disk(name: str, holds: str, folder: Path) -> Place:
    existing = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    disk = shutil.disk_usage(existing)
    return Place(name, holds, f"in {folder}, whose disk holds other things too", disk.used, disk.total)


@dataclass(frozen=True, slots=True)
class KeyUse:
    """What an API key has used of its budgets. The key itself is not here."""

    name: str
    captures_today: int
    captures: BudgetUsage
    jobs: BudgetUsage
    sites: BudgetUsage
    permanent_bytes: BudgetUsage


def _use_of(services: Services, budgets: Budgets, name: str) -> KeyUse:
    client = f"key:{name}"
    limit = next(key.limit for key in services.access.keys if key.name == name)
    return KeyUse(
        name,
        budgets.captures_of_keys.usage(client).count,
        budgets.captures.usage(client, limit),
        budgets.jobs.jobs.usage(client),
        budgets.sites.usage(client),
        budgets.permanent_bytes.usage(client),
    )
