"""The queues to the worker: Celery's messages, sent by the web process and by the worker's scheduler.

There is no result backend and no `countdown`: Celery delivers a message twice if its countdown exceeds the visibility
time-out. Later work waits in the `Agenda`.
"""

import ssl
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import celery
import structlog
from kombu.entity import Queue
from kombu.exceptions import KombuError, OperationalError
from redis.connection import parse_url
from redis.exceptions import RedisError

import redis_urls
from coordination import StateKeys, sentinel_options
from jobs import sentinel_transport
from jobs.messages import BULK, QUEUES, TaskMessage
from jobs.records import Batch, Job
from jobs.store import JobStore

VISIBILITY = 1.25  # times the hard limit, after which Celery redelivers a message that was not acknowledged
_log = structlog.get_logger()


def celery_app(redis_url: str, prefix: str = StateKeys().prefix, time_limit: float = 120) -> "celery.Celery":
    """Make the Celery application of the web process and the worker. `time_limit` is a task's hard limit in seconds.

    All of Celery's keys and channels in Redis begin with `prefix`, those of its remote control too.
    """
    sentinel_transport.install()
    app = celery.Celery("thumbnails", set_as_current=False)
    app.conf.update(
        broker_url=broker_url(redis_url),
        broker_transport_options={
            "visibility_timeout": time_limit * VISIBILITY,
            "global_keyprefix": StateKeys(prefix).celery(""),
            "queue_order_strategy": "priority",  # the first queue first, not round robin
            "socket_timeout": 5,
            "socket_connect_timeout": 1,
            "unacked_restore_interval": time_limit / 12,
            "unacked_restore_throttle": 1,
            **sentinel_transport_options(redis_url),
        },
        broker_use_ssl=broker_tls(redis_url),
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        task_queues=[Queue(name) for name in QUEUES],  # type: ignore[no-untyped-call]
        task_default_queue=BULK,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_ignore_result=True,
        result_expires=None,  # else beat has results removed each night, although there are none
        task_publish_retry=False,
        task_soft_time_limit=time_limit * 3 / 4,
        task_time_limit=time_limit,
        worker_prefetch_multiplier=1,
        worker_max_tasks_per_child=1000,  # a hung thread ends with its process
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_hijack_root_logger=False,
        worker_send_task_events=True,  # for `celery events` and Flower; costs next to nothing without a listener
        task_send_sent_event=True,
    )
    return app


def broker_url(redis_url: str) -> str:
    """Spell a Redis URL for Celery, which expects the database in the path, and for Unix sockets in the query.

    Each Sentinel has a URL of its own, with the user and the database of the servers.
    """
    if service := redis_urls.sentinel_service(redis_url):
        user = ":".join(quote(service.credentials.get(part, ""), safe="") for part in ("username", "password"))
        hosts = (f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in service.sentinels)
        return ";".join(f"sentinel://{user}@{host}/{service.database}" for host in hosts)
    database = parse_url(redis_url).get("db", 0)  # type: ignore[no-untyped-call]
    parts = urlsplit(redis_url)
    if parts.scheme == "unix":
        return f"redis+socket://{parts.netloc}{parts.path}?virtual_host={database}"
    query = urlencode([(name, value) for name, value in parse_qsl(parts.query) if name.startswith("ssl_")])
    return urlunsplit((parts.scheme, parts.netloc, f"/{database}", query, ""))


def broker_tls(redis_url: str) -> dict[str, Any] | None:
    """Return Celery's options of TLS. Celery takes the others of a single server from its URL."""
    service = redis_urls.sentinel_service(redis_url)
    if service is None:
        return {"ssl_cert_reqs": ssl.CERT_REQUIRED} if urlsplit(redis_url).scheme == "rediss" else None
    options = {name: value for name, value in service.tls.items() if name != "ssl"}
    return {"ssl_cert_reqs": "required"} | options if service.tls else None


def sentinel_transport_options(redis_url: str) -> dict[str, Any]:
    """Return what Celery asks Sentinels for, and how. Nothing for a single server."""
    service = redis_urls.sentinel_service(redis_url)
    return {"master_name": service.name, "sentinel_kwargs": sentinel_options(service)} if service else {}


class JobQueue:
    """Sends jobs to the worker."""

    def __init__(self, app: "celery.Celery", store: JobStore) -> None:
        self._app = app
        self.store = store

    def enqueue(self, jobs: Sequence[Job], batch: Batch | None = None) -> None:
        """Record new jobs and send their messages. Raises OverCapacity or QueueUnavailable."""
        self.send(self.store.add(jobs, batch))

    def send(self, messages: Sequence[TaskMessage]) -> None:
        """Send messages; those that cannot be sent now are due again in a second.

        A restart of Redis breaks connections, for example. Raises QueueUnavailable when Redis is unreachable.
        """
        unsent = list(messages)
        try:
            with self._app.producer_pool.acquire(block=True, timeout=5) as producer:
                while unsent:
                    message = unsent[0]
                    arguments = [message.subject, message.turn, message.queue]
                    self._app.send_task(message.task, arguments, queue=message.queue, producer=producer, retry=False)
                    del unsent[0]
        except (KombuError, OperationalError, RedisError, OSError) as err:
            _log.warning("jobs_unsent", redis="state", error=type(err).__name__, count=len(unsent))
            self.store.agenda.resend_soon(unsent)

    def send_due(self) -> int:
        """Send the messages that are due, and return their count."""
        messages = self.store.agenda.claim_due()
        if messages:
            self.send(messages)
        return len(messages)

    def close(self) -> None:
        """Close the connections to the broker."""
        self._app.close()
