"""All metrics of the service, by subject. `docs/operations/metrics.md` has the same tables, made from here.

Names follow https://prometheus.io/docs/practices/naming/. No label holds a URL, a host, a client or a key.
"""

from telemetry.tallies import Counter, Gauge, Histogram, Metric, MirroredCounter

_WEB, _FLOW, _WORKER = ("web",), ("web", "worker"), ("worker",)
_ENGINE, _EGRESS, _ALL = ("engine",), ("engine", "outlet"), ("web", "worker", "beat", "engine", "outlet")
_SERVERS = {"redis": ("cache", "state")}
_FAULTS = ("caller", "page", "service", "nobody")
_CACHES_IN_FRONT = ("nginx", "fastly", "cloudflare", "purge_urls")
_STATES = ("HIT", "STALE", "MISS", "BYPASS")  # of the cache
_VERDICTS = (
    *("public", "exempt", "loopback", "private", "shared", "link_local", "metadata", "multicast", "embedded_ipv4"),
    *("special", "zone", "local_name", "bad_name", "port", "unresolved", "busy"),
)
_ENGINE_OUTCOMES = (
    *("ok", "client_gone", "blocked_url", "browser_crashed", "certificate", "clip_outside", "connection_refused"),
    *("connection_reset", "cookie_refused", "draining", "internal_error", "invalid_response", "not_a_page"),
    *("opted_out", "option_not_allowed", "page_crashed", "page_failed", "page_status", "page_too_large"),
    *("page_unreachable", "plan_required", "rate_limited", "resolver_busy", "selector_not_found", "timeout"),
    *("tls_failed", "too_many_redirects", "unauthorized", "unavailable", "validation_error"),
)

# Requests
HTTP_REQUESTS = Histogram(
    "thumbnails_http_request_duration_seconds",
    "Time to answer a request, by the name of its route, the class of its status, and the state of the cache if it is "
    "about a picture.",
    _WEB,
    {"route": (), "status": ("1xx", "2xx", "3xx", "4xx", "5xx"), "cache": ("", *_STATES)},
)
PICTURES_SERVED = Counter(
    "thumbnails_pictures_served_total",
    "Pictures that were served, by the state of the cache.",
    _WEB,
    {"cache": _STATES},
)
ERRORS = Counter(
    "thumbnails_errors_total",
    "Errors that callers got, by their code, and by whose fault they are: see docs/errors.md.",
    _WEB,
    {"code": (), "fault": _FAULTS},
)
BUDGET_REFUSALS = Counter(
    "thumbnails_budget_refusals_total",
    "Requests that were refused because a client's budget is used up, by what the budget counts.",
    _FLOW,
    {
        "budget": (
            *("captures", "new_renditions", "requests", "permanent_pictures", "bytes_of_permanent_pictures"),
            *("requests_for_jobs", "jobs", "new_sites", "failed_log_ins"),
        )
    },
)
GUARD_VERDICTS = Counter(
    "thumbnails_guard_verdicts_total",
    "Judgements of the URL guard on targets and on addresses that pages connect to. Web process and worker count the "
    "targets that they look up, and all that they refuse.",
    ("web", "worker", "engine", "outlet"),
    {"verdict": _VERDICTS},
    first=[("public",)],
)

# Captures
CAPTURES = Counter(
    "thumbnails_captures_total",
    "Captures that web process and worker asked for, retries of one counted as one: ok, suspect, or the error's code.",
    _FLOW,
    {"api": (), "outcome": ()},
)
CAPTURE_SECONDS = Histogram(
    "thumbnails_capture_duration_seconds",
    "Time that captures took, retries included, and whose fault it was if they failed.",
    _FLOW,
    {"api": (), "fault": _FAULTS},
)
CAPTURE_CALLS = Counter(
    "thumbnails_capture_calls_total",
    "Calls of the screenshot API, each retry counted: ok, or the error's code.",
    _FLOW,
    {"api": (), "outcome": ()},
)
BREAKER_TRIPS = Counter(
    "thumbnails_breaker_trips_total", "How often this service stopped calling a screenshot API.", _FLOW, {"api": ()}
)
BREAKER_OPEN = Gauge(
    "thumbnails_breaker_open",
    "1 while a screenshot API is not called, since it is down or its quota is used up, and for 15 seconds after.",
    _FLOW,
    {"api": ()},
    merge=max,
)
HANDED_OVER = Counter(
    "thumbnails_captures_handed_over_total",
    "Captures that a screenshot API did not take, since it failed, was full, down or too dear, and that went to the next "
    "one.",
    _FLOW,
    {"api": ()},
)
CAPTURE_COST = Counter(
    "thumbnails_capture_cost_total", "What calls have cost, by CAPTURE_COST, in its currency.", _FLOW, {"api": ()}
)
ENGINES_LEFT = Counter(
    "thumbnails_capture_engines_left_total",
    "How often a process left one of several engines alone, since it did not answer or drained.",
    _FLOW,
)
TARGET_REFUSALS = Counter(
    "thumbnails_target_refusals_total",
    "Captures that were refused because their host is captured as often as TARGET_LIMIT allows.",
    _FLOW,
)
COALESCED = Counter(
    "thumbnails_coalesced_requests_total",
    "Callers that waited for work that another caller had begun, in the same process or in another one.",
    _FLOW,
    {"work": ("capture", "rendition"), "leader": ("here", "elsewhere")},
)
RENDITION_SECONDS = Histogram(
    "thumbnails_rendition_duration_seconds", "Time to make a picture of a captured page, without waiting.", _FLOW
)

# What is kept
KEPT_BYTES = Gauge(
    "thumbnails_kept_bytes",
    "Bytes of what is kept: in the memory of all processes, on the disk beside it, in the Redis of pictures, in the folder of "
    "originals, in the folder of permanent pictures. Folders are measured every five minutes, buckets are not.",
    _FLOW,
    {"kind": ("memory", "disk", "redis", "originals", "permanent")},
)
KEPT_BYTES_LIMIT = Gauge(
    "thumbnails_kept_bytes_limit",
    "Bytes that may be kept; missing where there is no limit.",
    _FLOW,
    {"kind": ("memory", "disk", "redis", "originals")},
)
DISK_FREE_BYTES = Gauge(
    "thumbnails_disk_free_bytes",
    "Free bytes of the disk below a folder.",
    _FLOW,
    {"kind": ("originals", "permanent")},
    merge=min,
)
DISK_BYTES = Gauge(
    "thumbnails_disk_size_bytes",
    "Size of the disk below a folder, free or not.",
    _FLOW,
    {"kind": ("originals", "permanent")},
    merge=max,
)
EVICTIONS = Counter(
    "thumbnails_evictions_total",
    "Pictures that made room for others: those that left the memory of a process, also for its disk, those that left the disk, "
    "and files of the folder of originals.",
    _FLOW,
    {"kind": ("memory", "disk", "originals")},
)
REDIS_EVICTIONS = MirroredCounter(
    "thumbnails_redis_evicted_keys_total",
    "Keys that a Redis has evicted, by its own count. One Redis for both purposes is shown as both.",
    _FLOW,
    _SERVERS,
)
REDIS_MEMORY = Gauge("thumbnails_redis_memory_bytes", "Memory that a Redis uses.", _FLOW, _SERVERS)
REDIS_MEMORY_LIMIT = Gauge(
    "thumbnails_redis_memory_limit_bytes", "The maxmemory of a Redis; missing where there is none.", _FLOW, _SERVERS
)

# What fails
REDIS_ERRORS = Counter(
    "thumbnails_redis_errors_total",
    "Calls that a Redis did not answer (unreachable), or answered with an error (refused).",
    _FLOW,
    {**_SERVERS, "error": ("unreachable", "refused")},
)
STORAGE_ERRORS = Counter(
    "thumbnails_storage_errors_total",
    "Reads and writes that failed: of permanent pictures, or of originals.",
    _FLOW,
    {"kind": ("permanent", "originals")},
)
DATABASE_ERRORS = Counter(
    "thumbnails_database_errors_total", "Calls of the database that failed or found it unreachable.", _FLOW
)
PURGE_UNCONFIRMED_AGE = Gauge(
    "thumbnails_purge_unconfirmed_age_seconds",
    "For how long a cache in front has not confirmed the oldest purge that it was to be told, 0 without one; missing "
    "where there is no such cache. Of several PURGE_URLS, the longest counts.",
    _FLOW,
    {"cache": _CACHES_IN_FRONT},
    merge=max,
)

# Jobs, webhooks and sites
JOBS = Gauge(
    "thumbnails_jobs",
    "Jobs of the last day, by state.",
    _FLOW,
    {"state": ("pending", "processing", "completed", "failed")},
    merge=max,
)
QUEUE_MESSAGES = Gauge(
    "thumbnails_queue_messages",
    "Messages that wait for a worker.",
    _FLOW,
    {"queue": ("interactive", "bulk", "webhooks")},
    merge=max,
)
OLDEST_JOB_AGE = Gauge(
    "thumbnails_oldest_job_age_seconds", "Age of the oldest job that has not ended; 0 without one.", _FLOW, merge=max
)
WORKER_SEEN_AGE = Gauge(
    "thumbnails_worker_seen_age_seconds",
    "Seconds since any worker said that it runs; missing if none ever did.",
    _FLOW,
    merge=min,
)
JOBS_ENDED = Counter(
    "thumbnails_job_runs_total",
    "Runs of jobs by what came of them: a job that is postponed or retried runs again.",
    _WORKER,
    {"outcome": ("completed", "failed", "retried", "postponed")},
)
WEBHOOK_ATTEMPTS = Counter(
    "thumbnails_webhook_attempts_total",
    "Attempts to deliver a webhook: delivered, pending (to be retried), or failed for good.",
    _WORKER,
    {"outcome": ("delivered", "pending", "failed")},
)
WEBHOOKS_UNDELIVERED = Gauge(
    "thumbnails_webhooks_undelivered", "Webhooks that are still to be delivered.", _FLOW, merge=max
)
SITES_DUE = Gauge("thumbnails_sites_due", "Sites of the catalogue that are due for a capture.", _FLOW, merge=max)
SITE_CAPTURES = Counter(
    "thumbnails_site_captures_total",
    "Captures of sites: captured, failed, or postponed for a reason that says nothing about the page.",
    _WORKER,
    {"outcome": ("captured", "failed", "postponed")},
)
BEAT_MESSAGES = Counter(
    "thumbnails_beat_messages_total",
    "Messages that beat sent to the worker, held back since a queue was full, or failed to send.",
    ("beat",),
    {"outcome": ("sent", "held_back", "failed")},
)

# The engine and the outlet
ENGINE_CAPTURES = Counter(
    "thumbnails_engine_captures_total",
    "Captures of the engine: ok, client_gone, or the error's code.",
    _ENGINE,
    {"outcome": _ENGINE_OUTCOMES},
    first=[("ok",)],
)
ENGINE_PARTS = Histogram(
    "thumbnails_engine_capture_part_duration_seconds",
    "Time of the parts of a capture: waiting in the queue, setting a page up, arriving (until the page has answered), "
    "settling (until it is at rest), shooting.",
    _ENGINE,
    {"part": ("queue", "prepare", "arrive", "settle", "shoot")},
)
ENGINE_SLOTS = Gauge(
    "thumbnails_engine_captures_in_progress",
    "Captures that run, and that wait for a browser.",
    _ENGINE,
    {"state": ("running", "queued")},
)
ENGINE_SLOTS_LIMIT = Gauge("thumbnails_engine_concurrency", "Captures that may run at a time.", _ENGINE)
BROWSER_STARTS = Counter(
    "thumbnails_engine_browser_starts_total",
    "Browsers that were started: the first one, and those that replaced a crashed one, one at its memory limit, or one "
    "that took its last capture.",
    _ENGINE,
    {"reason": ("first", "crashed", "memory", "captures")},
)
OUTLET_CONNECTIONS = Counter(
    "thumbnails_outlet_connections_total",
    "Connections of engines to the outlet: connected to a site, looked up, a session held, not allowed, failed (no "
    "site answered, or there was no room for the look-up), refused as invalid, or closed at once since there were too many.",
    ("outlet",),
    {"outcome": ("connected", "looked_up", "held", "not_allowed", "failed", "invalid", "too_many")},
)
OUTLET_OPEN = Gauge("thumbnails_outlet_connections_in_progress", "Connections of engines that are open.", ("outlet",))

# Processes
LOOP_DELAY = Histogram(
    "thumbnails_loop_delay_seconds",
    "How late the event loop came back to a timer, sampled four times a second: the time that one step held it up.",
    ("web", "engine", "outlet"),
    bounds=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0),
)
BUILD_INFO = Gauge(
    "thumbnails_build_info", "Always 1. The labels tell what runs.", _ALL, {"process": (), "version": (), "python": ()}
)
PROCESSES = Gauge(
    "thumbnails_processes", "Processes: the main one, and those below it.", _ALL, {"kind": ("main", "child")}
)
PROCESS_MEMORY = Gauge(
    "thumbnails_process_resident_memory_bytes",
    "Resident memory of these processes. Memory that they share counts for each.",
    _ALL,
    {"kind": ("main", "child")},
)
PROCESS_FILES = Gauge(
    "thumbnails_process_open_fds",
    "Open file descriptors of the process that has the most.",
    _ALL,
    {"kind": ("main", "child")},
)
PROCESS_FILES_LIMIT = Gauge("thumbnails_process_max_fds", "Descriptors that each of them may open.", _ALL)
PROCESS_CPU = MirroredCounter(
    "thumbnails_process_cpu_seconds_total", "Processor time of all these processes, those that ended included.", _ALL
)

SUBJECTS: dict[str, tuple[Metric, ...]] = {
    "Requests": (HTTP_REQUESTS, PICTURES_SERVED, ERRORS, BUDGET_REFUSALS, GUARD_VERDICTS),
    "Captures": (
        CAPTURES,
        CAPTURE_SECONDS,
        CAPTURE_CALLS,
        BREAKER_TRIPS,
        BREAKER_OPEN,
        HANDED_OVER,
        CAPTURE_COST,
        ENGINES_LEFT,
        TARGET_REFUSALS,
        COALESCED,
        RENDITION_SECONDS,
    ),
    "What is kept": (
        KEPT_BYTES,
        KEPT_BYTES_LIMIT,
        DISK_FREE_BYTES,
        DISK_BYTES,
        EVICTIONS,
        REDIS_EVICTIONS,
        REDIS_MEMORY,
        REDIS_MEMORY_LIMIT,
    ),
    "What fails": (REDIS_ERRORS, STORAGE_ERRORS, DATABASE_ERRORS, PURGE_UNCONFIRMED_AGE),
    "Jobs, webhooks and sites": (
        JOBS,
        QUEUE_MESSAGES,
        OLDEST_JOB_AGE,
        WORKER_SEEN_AGE,
        JOBS_ENDED,
        WEBHOOK_ATTEMPTS,
        WEBHOOKS_UNDELIVERED,
        SITES_DUE,
        SITE_CAPTURES,
        BEAT_MESSAGES,
    ),
    "Engine and outlet": (
        ENGINE_CAPTURES,
        ENGINE_PARTS,
        ENGINE_SLOTS,
        ENGINE_SLOTS_LIMIT,
        BROWSER_STARTS,
        OUTLET_CONNECTIONS,
        OUTLET_OPEN,
    ),
    "Processes": (
        LOOP_DELAY,
        BUILD_INFO,
        PROCESSES,
        PROCESS_MEMORY,
        PROCESS_FILES,
        PROCESS_FILES_LIMIT,
        PROCESS_CPU,
    ),
}
