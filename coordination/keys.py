"""The names of all keys that this service has in Redis. The module that writes a key describes its value.

Each method is one row of the table in `docs/operations/redis.md`. Names begin with REDIS_PREFIX, which parts two
installations on one Redis.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class _Keys:
    prefix: str = "thumb"

    def ready(self) -> str:
        return f"{self.prefix}:ready"  # written by `/ready` as a proof that Redis takes writes


@dataclass(frozen=True, slots=True)
class CacheKeys(_Keys):
    """Names of what may be evicted. A `digest` is that of a rendition's or of a capture's key."""

    def picture(self, digest: str) -> str:
        return f"{self.prefix}:picture:{digest}"

    def original(self, digest: str) -> str:
        return f"{self.prefix}:original:{digest}"  # when it was last captured

    def failure(self, digest: str) -> str:
        return f"{self.prefix}:failure:{digest}"

    def wanted(self, digest: str) -> str:
        return f"{self.prefix}:wanted:{digest}"  # where others wait for an original

    def icon(self, digest: str) -> str:
        return f"{self.prefix}:icon:{digest}"  # of its URL

    def shared_picture(self, digest: str) -> str:
        return f"{self.prefix}:shared:{digest}"  # of the URL of a picture that a shared page names

    def scheme(self, host: str) -> str:
        return f"{self.prefix}:scheme:{host}"  # by which a host answers, where callers do not say it

    def heartbeat(self, process: str) -> str:
        return f"{self.prefix}:heartbeat:{process}"  # written by a process that hears of changes, to hear of it


@dataclass(frozen=True, slots=True)
class StateKeys(_Keys):
    """Names of what must not be evicted. Braces keep keys of one script in one slot of a cluster."""

    def counter(self, limit: str) -> str:
        return f"{self.prefix}:limits:{limit}"

    def lease(self, subject: str) -> str:
        return f"{self.prefix}:lease:{{{subject}}}"

    def lease_done(self, subject: str, token: str) -> str:
        return f"{self.prefix}:done:{{{subject}}}:{token}"

    def breaker_failures(self, api: str) -> str:
        return f"{self.prefix}:{{breaker}}:{api}:failures"

    def breaker_open(self, api: str) -> str:
        return f"{self.prefix}:{{breaker}}:{api}:open"

    def breaker_probe(self, api: str) -> str:
        return f"{self.prefix}:{{breaker}}:{api}:probe"

    def client_secret(self) -> str:
        return f"{self.prefix}:client-secret"

    def quota(self, api: str, limit: str) -> str:
        return f"{self.prefix}:{{captures}}:{api}:{limit}"

    def quota_next(self, api: str, limit: str) -> str:
        return f"{self.prefix}:{{captures}}:{api}:{limit}:next"

    def target_running(self, host: str) -> str:
        return f"{self.prefix}:{{target:{host}}}:running"

    def target_waiting(self, host: str) -> str:
        return f"{self.prefix}:{{target:{host}}}:waiting"

    def target_next(self, host: str) -> str:
        return f"{self.prefix}:{{target:{host}}}:next"

    def target_rate(self, host: str, limit: str) -> str:
        return f"{self.prefix}:{{target:{host}}}:{limit}"

    def capture_costs(self, day: str) -> str:
        return f"{self.prefix}:costs:{day}"

    def idempotency(self, attempt: str) -> str:
        return f"{self.prefix}:{{idempotency}}:{attempt}"

    def idempotency_seed(self, attempt: str, fingerprint: str) -> str:
        return f"{self.prefix}:{{idempotency}}:{attempt}:seed:{fingerprint}"

    def idempotency_index(self) -> str:
        return f"{self.prefix}:{{idempotency}}:index"

    def job(self, id_: str) -> str:
        return f"{self.prefix}:{{jobs}}:job:{id_}"

    def batch(self, id_: str) -> str:
        return f"{self.prefix}:{{jobs}}:batch:{id_}"

    def job_done(self, id_: str) -> str:
        return f"{self.prefix}:{{jobs}}:done:{id_}"

    def jobs_index(self) -> str:
        return f"{self.prefix}:{{jobs}}:index"

    def jobs_unfinished(self) -> str:
        return f"{self.prefix}:{{jobs}}:unfinished"

    def jobs_due(self) -> str:
        return f"{self.prefix}:{{jobs}}:due"

    def jobs_outbox(self) -> str:
        return f"{self.prefix}:{{jobs}}:outbox"

    def jobs_counts(self) -> str:
        return f"{self.prefix}:{{jobs}}:counts"

    def celery(self, name: str) -> str:
        return f"{self.prefix}:celery:{name}"  # Celery's own names: queues, bindings, unacknowledged messages

    def receiver_held(self, host: str) -> str:
        return f"{self.prefix}:receiver:held:{host}"

    def receiver_unresponsive(self, host: str) -> str:
        return f"{self.prefix}:receiver:silent:{host}"

    def receiver_slot(self, worker: str, number: int) -> str:
        return f"{self.prefix}:receiver:place:{worker}:{number}"

    def receiver_queue(self, host: str) -> str:
        return f"{self.prefix}:receiver:line:{host}"

    def popularity(self) -> str:
        return f"{self.prefix}:views"

    def figures(self, day: str) -> str:
        return f"{self.prefix}:{{figures}}:{day}"

    def slow_pages(self, day: str) -> str:
        return f"{self.prefix}:{{figures}}:{day}:slow"

    def failing_pages(self, day: str) -> str:
        return f"{self.prefix}:{{figures}}:{day}:failing"

    def document(self, digest: str) -> str:
        return f"{self.prefix}:{{documents}}:{digest}"

    def documents_index(self) -> str:
        return f"{self.prefix}:{{documents}}:index"

    def refreshed(self, digest: str) -> str:
        return f"{self.prefix}:refreshed:{digest}"

    def refresh_budget(self) -> str:
        return f"{self.prefix}:refreshes"

    def sites_budget(self) -> str:
        return f"{self.prefix}:{{sites}}:captures"

    def sites_in_progress(self) -> str:
        return f"{self.prefix}:{{sites}}:in-progress"

    def sites_pause(self) -> str:
        return f"{self.prefix}:{{sites}}:pause"

    def failures(self, digest: str) -> str:
        return f"{self.prefix}:{{failures}}:page:{digest}"

    def failures_index(self) -> str:
        return f"{self.prefix}:{{failures}}:index"

    def purges(self) -> str:
        return f"{self.prefix}:{{purges}}:marks"

    def purges_changed(self) -> str:
        return f"{self.prefix}:{{purges}}:changed"

    def purges_swept(self) -> str:
        return f"{self.prefix}:{{purges}}:swept"

    def purges_pending(self, cache: str) -> str:
        return f"{self.prefix}:{{purges}}:pending:{cache}"

    def purges_blocked(self) -> str:
        return f"{self.prefix}:{{purges}}:blocked"

    def site_event(self, id_: str) -> str:
        return f"{self.prefix}:{{jobs}}:site-event:{id_}"

    def site_events(self) -> str:
        return f"{self.prefix}:{{jobs}}:site-events"
