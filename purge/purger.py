"""Purges: notes what is shown no more, and tells the caches in front."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog

from purge.order import PurgeOrder
from purge.rooms import PictureRooms

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class PurgeReport:
    """What became of a purge. `caches` are those in front, by name: `ok`, `queued` or `retrying`."""

    order: PurgeOrder
    caches: dict[str, str] = field(default_factory=dict)

    @property
    def description(self) -> dict[str, object]:
        """What programs are told."""
        before = datetime.fromtimestamp(self.order.before, UTC).isoformat().replace("+00:00", "Z")
        scopes = len(self.order.scopes)
        return {"purged": self.order.what, "captured_before": before, "scopes": scopes, "caches": self.caches}


class Purger:
    def __init__(self, rooms: PictureRooms) -> None:
        self._rooms = rooms

    def purge(self, order: PurgeOrder) -> PurgeReport:
        """Show no picture of `order` any more. Processes know that after two seconds; files are removed within minutes.

        The caches in front are told at once and, by the worker, after some seconds. Raises QueueUnavailable.
        """
        self._rooms.purges.mark(order.scopes, order.before)
        self._rooms.site_pictures.all_changed(order.sites)
        caches = self._rooms.in_front.tell(order.tags, order.before)
        _log.info("purged", what=order.what, pages=len(order.scopes), sites=len(order.sites), caches=caches)
        return PurgeReport(order, caches)
