"""The worker: Celery runs `tasks` with the same services as the web process. Imports nothing of the web.

Run it by `celery -A worker worker`.
"""

import logging
import os
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from celery import bootsteps
from celery.signals import (
    beat_init,
    celeryd_after_setup,
    setup_logging,
    worker_init,
    worker_process_init,
    worker_process_shutdown,
)

import config
import logs
import services as composition
import tasks
import telemetry
from config import Settings
from coordination import ClusterMode, log_in_one_line
from images import return_large_buffers
from jobs import (
    BULK,
    CAPTURE,
    CAPTURE_SITE,
    CAPTURE_SITES,
    DELIVER_WEBHOOK,
    INTERACTIVE,
    PRUNE,
    QUEUE_STATS,
    RECAPTURE,
    REFRESH,
    SWEEP_PURGED,
    TELL_CACHES,
    celery_app,
)
from jobs.consumer import Consumer
from measurements import Measurements
from purge import SWEEP_SECONDS
from refresh import ROUND_SECONDS
from services import Services
from sites import SITE_ROUND_SECONDS
from telemetry import traces

STATS_SECONDS = 60.0
_TASKS: dict[str, Callable[..., None]] = {
    CAPTURE: tasks.capture,
    CAPTURE_SITE: tasks.capture_site,
    CAPTURE_SITES: tasks.capture_sites,
    DELIVER_WEBHOOK: tasks.deliver_webhook,
    PRUNE: tasks.prune,
    QUEUE_STATS: tasks.queue_stats,
    RECAPTURE: tasks.recapture,
    REFRESH: tasks.refresh,
    SWEEP_PURGED: tasks.sweep_purged,
    TELL_CACHES: tasks.tell_caches,
}


def _load() -> Settings:
    try:
        return config.load()
    except config.ConfigError as err:
        config.stop(err)


def _every(seconds: float, task: str, queue: str = INTERACTIVE) -> dict[str, object]:
    """Have beat send `task`. A message expires when the next one is sent."""
    return {"task": task, "schedule": seconds, "options": {"queue": queue, "expires": seconds}}


settings = _load()
app = celery_app(settings.state_url, settings.redis_prefix, settings.job_time_limit)
app.conf.beat_scheduler = "jobs.beat:BoundedScheduler"
app.conf.most_queued = settings.job_queue_limit
app.conf.worker_concurrency = settings.worker_concurrency
app.conf.beat_schedule = {
    QUEUE_STATS: _every(STATS_SECONDS, QUEUE_STATS),
    PRUNE: _every(tasks.PRUNE_SECONDS, PRUNE, BULK),
    SWEEP_PURGED: _every(SWEEP_SECONDS, SWEEP_PURGED),
}
if settings.refresh_budget:
    app.conf.beat_schedule[REFRESH] = _every(ROUND_SECONDS, REFRESH)
if settings.sites_budget:
    app.conf.beat_schedule[CAPTURE_SITES] = _every(SITE_ROUND_SECONDS, CAPTURE_SITES)


@lru_cache(maxsize=1)
def services() -> Services:
    """Make the services of this process on first use. A capture must time out before its job does."""
    timeout = min(settings.capture_timeout, settings.job_time_limit * 0.6)
    built = composition.build(settings.model_copy(update={"capture_timeout": timeout}))
    built.purges.start()
    return built


def _register(name: str, work: Callable[..., None]) -> None:
    def task(*arguments: Any) -> None:
        work(services(), *arguments)

    app.task(task, name=name)


for _name, _work in _TASKS.items():
    _register(_name, _work)


class Scheduler(bootsteps.StartStopStep):  # type: ignore[misc] # Celery has no types
    """Runs `tasks.tick` once a second in the worker's main process."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, **kwargs: Any) -> None:
        super().__init__(consumer, **kwargs)
        self._timer: Any = None

    def start(self, consumer: Any) -> None:
        services().warn_about_redis()
        self._timer = consumer.timer.call_repeatedly(1.0, lambda: tasks.tick(services()))

    def stop(self, _consumer: Any) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    shutdown = stop


app.steps["consumer"].add(Scheduler)


app.conf.worker_consumer = Consumer


@setup_logging.connect  # type: ignore[untyped-decorator]
def _configure_logging(**_: object) -> None:
    logs.configure(settings.log_format, settings.log_level)
    log_in_one_line()
    for chatty in (
        "celery.app.trace",
        "celery.worker.strategy",
    ):  # they log two lines per task, with less information than ours
        logging.getLogger(chatty).setLevel(logging.WARNING)


@beat_init.connect  # type: ignore[untyped-decorator]
@worker_init.connect  # type: ignore[untyped-decorator]
def _refuse_cluster(**_: object) -> None:
    try:
        services().connections.refuse_cluster()
    except ClusterMode as err:
        config.stop(err)


@worker_init.connect  # type: ignore[untyped-decorator]
def _lower_priority(**_: object) -> None:
    """Leave the CPU to web processes on the same machine first."""
    os.nice(settings.worker_niceness)
    if os.getsid(0) == os.getpid():
        # If the kernel schedules by session, the session's niceness counts, not the process': sched(7).
        with suppress(OSError):
            Path("/proc/self/autogroup").write_text(str(settings.worker_niceness), encoding="ascii")


@worker_process_init.connect  # type: ignore[untyped-decorator]
def _drop_inherited_services(**_: object) -> None:
    """Drop the services of the parent process: two processes must not read from one socket."""
    services.cache_clear()
    traces.start("worker", wanted=settings.sends_traces)
    if settings.metrics_port is not None:
        measurements = Measurements(services())
        telemetry.publish(measurements.read_own, measurements.read_shared, has_loop=False)


@worker_process_init.connect  # type: ignore[untyped-decorator]
def _return_memory(**_: object) -> None:
    """Take a millisecond more for a picture, but no memory beyond it: most of the time, a process waits for a job."""
    return_large_buffers()


@celeryd_after_setup.connect  # type: ignore[untyped-decorator]
def _serve_metrics(**_: object) -> None:
    """Serve the metrics of the pool's processes from this one, once the log is set up and before they are forked."""
    telemetry.serve_for_children("worker", settings.metrics_host, settings.metrics_port)


@beat_init.connect  # type: ignore[untyped-decorator]
def _serve_metrics_of_beat(**_: object) -> None:
    telemetry.serve("beat", settings.metrics_host, settings.metrics_port)


@worker_process_shutdown.connect  # type: ignore[untyped-decorator]
def _close_services(**_: object) -> None:
    if services.cache_info().currsize:
        services().close()
    telemetry.publish_last()
    traces.stop()
