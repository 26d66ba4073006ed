"""The parts of this folder that others use, made together."""

from dataclasses import dataclass

from access import BlockedTargets
from netguard import Guard
from purge.in_front import CachesInFront
from purge.order import PurgeReader
from purge.purger import Purger
from purge.rooms import PictureRooms
from purge.sweep import PurgeSweeper


@dataclass(frozen=True, slots=True)
class Purging:
    reader: PurgeReader
    purger: Purger
    sweeper: PurgeSweeper
    in_front: CachesInFront

    @classmethod
    def of(cls, rooms: PictureRooms, guard: Guard, blocked: BlockedTargets) -> "Purging":
        purger = Purger(rooms)
        return cls(PurgeReader(guard, rooms.catalogue), purger, PurgeSweeper(rooms, purger, blocked), rooms.in_front)
