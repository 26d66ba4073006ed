"""Purges: notes what is shown no more, and tells the caches in front."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import structlog

from images import CpuPool
from purge.cdn import CdnFailed
from purge.edge import EdgeCache
from purge.order import PurgeOrder
from purge.pending import PendingPurges
from purge.rooms import PictureRooms

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class PurgeReport:
    """What became of a purge. `caches` are those in front, by name: `ok`, or `retrying` until they confirm it."""

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
        self._pending = PendingPurges(rooms.state)
        self._disk = CpuPool(1)
        self._edge = EdgeCache(rooms.nginx) if rooms.nginx else None
        self._cdns = {cdn.name: cdn for cdn in rooms.cdns}

    def purge(self, order: PurgeOrder) -> PurgeReport:
        """Show no picture of `order` any more. Processes know that after two seconds; files are removed within minutes.

        A cache in front that does not confirm is told again by the worker. Raises QueueUnavailable.
        """
        self._rooms.purges.mark(order.scopes, order.before)
        for site_id in order.sites:
            self._rooms.site_pictures.changed(site_id)
        caches = {}
        for name in (*(["nginx"] if self._edge else []), *self._cdns):
            left = self._tell(name, dict.fromkeys(order.tags, order.before))
            caches[name] = "retrying" if left else "ok"
            # nginx may store an answer just now that was made before the purge, so its folder is looked through again.
            if again := tuple(order.tags if name == "nginx" else left):
                self._pending.add(name, replace(order, tags=again))
        _log.info("purged", what=order.what, pages=len(order.scopes), sites=len(order.sites), caches=caches)
        return PurgeReport(order, caches)

    def tell_pending(self) -> int:
        """Tell the caches in front that have not confirmed yet, and return how many still have not."""
        return self._pending.work_off(self._tell)

    def _tell(self, name: str, moments: Mapping[str, float]) -> Collection[str]:
        """Let a cache in front remove what is older than the moment (Unix seconds) of one of its tags.

        Return the tags that it has not confirmed. One that is configured no more has nothing to confirm.
        """
        try:
            if name == "nginx":
                edge = self._edge
                if edge is not None:
                    self._disk.run(lambda: edge.remove(moments), pixels=0)
            elif name in self._cdns:
                self._cdns[name].purge([*moments])
        except (CdnFailed, OSError) as err:
            reason = getattr(err, "strerror", None) or str(err)
            _log.warning("purge_not_confirmed", cache=name, reason=reason, effect="the worker tells it again")
            return err.left if isinstance(err, CdnFailed) else moments
        return ()
