"""What the cache knows of a request: its rendition, when its page was last captured, and a failure."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self

from errors import ThumbnailError
from model import Picture


@dataclass(frozen=True, slots=True)
class OriginalInfo:
    """When a page was last captured. The original itself may have expired."""

    captured_at: datetime
    suspect: bool = False
    shows_error: bool = False

    @classmethod
    def of(cls, picture: Picture) -> Self:
        return cls(picture.captured_at, picture.suspect, picture.notes.shows_error)

    @property
    def good(self) -> bool:
        """Whether no blank picture, and none of an error page, may replace it."""
        return not self.suspect and not self.shows_error


@dataclass(frozen=True, slots=True)
class RememberedFailure:
    """The error of a capture, with the seconds left as its `retry_after`, and when it happened (Unix seconds)."""

    error: ThumbnailError
    at: float


@dataclass(frozen=True, slots=True)
class Kept:
    """A picture of one level of the cache, without its file: the file's `bytes`, and the `seconds` for which it is kept.

    `age` is for how long a process has it in its memory. What is not known is None.
    """

    picture: Picture
    bytes: int
    seconds: int | None = None
    age: float | None = None


@dataclass(frozen=True, slots=True)
class Levels:
    """What each level of the cache has of a request, purged or not, as it was looked at. None stands for nothing."""

    memory: Kept | None
    rendition: Kept | None
    note: OriginalInfo | None
    note_seconds: int | None
    original_memory: Kept | None
    original: Kept | None
    failure: RememberedFailure | None
    purged_before: float
    reachable: bool


@dataclass(frozen=True, slots=True)
class Known:
    """The state of a request in the cache. Not `complete` if it is from memory, which knows the rendition alone."""

    rendition: Picture | None = None
    original: OriginalInfo | None = None
    failure: RememberedFailure | None = None
    reachable: bool = True
    complete: bool = True
    original_gone: bool = False  # it was looked for and not found

    @property
    def outdated(self) -> bool:
        """Whether the page was captured again after the rendition was made."""
        return self.rendition is not None and self.supersedes(self.rendition)

    def supersedes(self, picture: Picture) -> bool:
        """Whether the page was captured again after `picture`: by another machine, or while its original was not kept."""
        latest = self.original
        return bool(latest and not latest.suspect and latest.captured_at > picture.captured_at)

    def with_original(self, original: Picture | None) -> "Known":
        """Add what a look-up of the original found: Redis may have evicted it, or the note of when it was captured."""
        if original is None:
            return replace(self, original_gone=True)
        return replace(self, original=self.original or OriginalInfo.of(original))
