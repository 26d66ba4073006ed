"""A cache in front of this service that can be purged."""

from collections.abc import Mapping
from typing import Protocol


class NotConfirmed(Exception):
    """The cache did not confirm a purge. The text is for the log."""


class FrontCache(Protocol):
    @property
    def name(self) -> str:
        """Tells it from the others, in settings and reports."""

    @property
    def kind(self) -> str:
        """What it is to metrics, which hold no address."""

    @property
    def at_once(self) -> int:
        """How many tags one call may name."""

    def purge(self, moments: Mapping[str, float]) -> None:
        """Remove answers with one of these tags. One that can tell spares what was captured after the tag's moment.

        Raises NotConfirmed.
        """
