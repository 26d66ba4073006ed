"""The parts of this folder that others use, made together."""

from dataclasses import dataclass

from access import BlockedTargets
from netguard import Guard
from purge.order import PurgeReader
from purge.purger import Purger
from purge.rooms import PictureRooms
from purge.sweep import PurgeSweeper


@dataclass(frozen=True, slots=True)
class Purging:
    reader: PurgeReader
    purger: Purger
    sweeper: PurgeSweeper

    @classmethod
    def of(cls, rooms: PictureRooms, guard: Guard, blocked: BlockedTargets) -> "Purging":
        purger = Purger(rooms)
        return cls(PurgeReader(guard, rooms.catalogue), purger, PurgeSweeper(rooms, purger, blocked))
