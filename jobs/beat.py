"""Celery's beat, which sends nothing into a full queue. Only beat imports this module.

Messages of beat expire, but only a worker removes them. Without one, they would fill Redis.
"""

from typing import Any

import structlog
from celery.beat import PersistentScheduler

from telemetry import metrics

_log = structlog.get_logger()


class BoundedScheduler(PersistentScheduler):  # type: ignore[misc] # Celery has no types
    """Celery's scheduler. The application's setting `most_queued` bounds the queues that it sends into."""

    def apply_entry(self, entry: Any, producer: Any = None) -> None:
        queue = entry.options["queue"]
        with self.app.connection_for_write() as connection:
            queued = connection.default_channel.queue_declare(queue).message_count
        if queued < self.app.conf.most_queued:
            super().apply_entry(entry, producer=producer)
            metrics.BEAT_MESSAGES.add("sent")
        else:
            metrics.BEAT_MESSAGES.add("held_back")
            _log.warning("beat_held_back", redis="state", queue=queue, queued=queued)
