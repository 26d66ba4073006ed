"""What the service knows of a page and of a request for its picture, for an operator."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from access import BudgetUsage
from capture import ApiState, HostUse
from coordination import FlightState
from model import Picture, ThumbnailRequest
from options import PRIVATE, chosen
from thumbnails.failures import PastFailure
from thumbnails.known import OriginalInfo, RememberedFailure

WITHHELD = "[…]"


@dataclass(frozen=True, slots=True)
class Level:
    """What one level of the cache has. `state` is fresh, stale, expired, purged, or outdated: captured again since.

    It is shown as fresh for `fresh_for` seconds, and as stale until `stale_for`; `kept_for` is its remaining time in the
    level, and `held_for` how long this process has had it in memory. None is not known, or does not apply.
    """

    state: str
    picture: Picture
    bytes: int
    fresh_for: int
    stale_for: int
    kept_for: int | None
    held_for: float | None


@dataclass(frozen=True, slots=True)
class CacheLevels:
    """The levels of the cache, from the nearest on. `originals` is where originals lie: folder, s3 or redis."""

    reachable: bool
    memory: Level | None
    rendition: Level | None
    note: OriginalInfo | None
    note_kept_for: int | None
    original_in_memory: Level | None
    original: Level | None
    originals: str
    purged_before: datetime | None
    failure: RememberedFailure | None


@dataclass(frozen=True, slots=True)
class HostVerdict:
    """The guard's verdict of a host that was looked up now, and its addresses. Not looked up if the API judges alone."""

    verdict: str
    allowed: bool
    addresses: tuple[str, ...]
    judged_here: bool


@dataclass(frozen=True, slots=True)
class Permission:
    """Why a page or size is refused, as the `code` and `reason` of the answer, both empty if it is not."""

    code: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Findings:
    """All that was found. `client` is who would be charged, and `budgets` what it has used of each, by window."""

    request: ThumbnailRequest
    client: str
    levels: CacheLevels
    guard: HostVerdict
    target: Permission
    size: Permission
    signature_needed: bool
    budgets: Mapping[str, Sequence[BudgetUsage]]
    apis: tuple[ApiState, ...]
    flight: FlightState
    host: HostUse
    failures: tuple[PastFailure, ...]

    @property
    def options(self) -> dict[str, Any]:
        """The options that were chosen. Private ones are named, and not shown."""
        request = self.request
        options = chosen(request.capture) | chosen(request.rendition) | chosen(request.delivery)
        return {
            name: WITHHELD if name in PRIVATE or name == "sig" else value
            for name, value in options.items()
            if name != "url"
        }

    def is_used_up(self, budget: str) -> bool:
        return any(not each.remaining for each in self.budgets[budget])
