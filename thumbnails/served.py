"""The results of the flow."""

from dataclasses import dataclass
from enum import StrEnum

from model import Picture
from storage import Stored


class CacheState(StrEnum):
    """The source of a picture, sent as `X-Cache`. BYPASS means that no cache could be reached."""

    HIT = "HIT"
    MISS = "MISS"
    STALE = "STALE"
    BYPASS = "BYPASS"


@dataclass(frozen=True, slots=True)
class Served:
    """A picture for a caller: where it came from, the seconds for which it stays fresh, the capture's milliseconds.

    A `private` one is for this caller alone.
    """

    picture: Picture
    cache: CacheState
    fresh_for: int
    capture_ms: int | None = None
    private: bool = False


@dataclass(frozen=True, slots=True)
class Persisted:
    """A picture in permanent storage, and where it came from."""

    picture: Picture
    stored: Stored
    cache: CacheState
