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
        """Send the message of an entry that is due. One that cannot be sent waits until the entry is due again."""
        try:
            sent = self._send(entry, producer)
        except Exception as err:  # noqa: BLE001 - whatever the broker raises would end beat, and with it all entries
            metrics.BEAT_MESSAGES.add("failed")
            _log.warning("beat_unsent", redis="state", task=entry.name, error=type(err).__name__)
        else:
            metrics.BEAT_MESSAGES.add("sent" if sent else "held_back")

    def _send(self, entry: Any, producer: Any) -> bool:
        queue = entry.options["queue"]
        with self.app.connection_for_write() as connection:
            queued = connection.default_channel.queue_declare(queue).message_count
        if queued >= self.app.conf.most_queued:
            _log.warning("beat_held_back", redis="state", queue=queue, queued=queued)
            return False
        self.apply_async(entry, producer=producer, advance=False)
        return True
