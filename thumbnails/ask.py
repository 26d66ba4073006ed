"""The value that travels through the flow: a request, the budget that pays for its capture, and the request id."""

from dataclasses import dataclass
from typing import Protocol

from model import ThumbnailRequest
from options import Document


class Charge(Protocol):
    """Takes a capture, new renditions and permanent storage off the budgets of a client."""

    @property
    def client(self) -> str:
        """The client whose budget it is."""

    def __call__(self) -> None:
        """Charge one capture. Raises RateLimited."""

    def rendition(self) -> None:
        """Charge one new rendition. Raises RateLimited."""

    def rendition_bytes(self, size: int) -> None:
        """Charge the bytes of a new rendition, once they are known."""

    def reserve_storage(self, size: int) -> None:
        """Charge `size` bytes of permanent storage. Raises RateLimited."""

    def release_storage(self, size: int) -> None:
        """Give back bytes that were reserved and not used."""


@dataclass(frozen=True)
class NoCharge:
    """Charges no client: a job was paid for when it was created."""

    client: str = ""

    def __call__(self) -> None:
        """Do nothing."""

    def rendition(self) -> None:
        """Do nothing."""

    def rendition_bytes(self, size: int) -> None:
        """Do nothing."""

    def reserve_storage(self, size: int) -> None:
        """Do nothing."""

    def release_storage(self, size: int) -> None:
        """Do nothing."""


class ChargedOnce:
    """Charges the first of several captures: the others are further tries of it."""

    def __init__(self, charge: Charge) -> None:
        self._charge = charge
        self._charged = False

    @property
    def client(self) -> str:
        return self._charge.client

    def __call__(self) -> None:
        """Charge a capture, unless one was charged. Raises RateLimited."""
        if not self._charged:
            self._charge()
            self._charged = True

    def rendition(self) -> None:
        self._charge.rendition()

    def rendition_bytes(self, size: int) -> None:
        self._charge.rendition_bytes(size)

    def reserve_storage(self, size: int) -> None:
        self._charge.reserve_storage(size)

    def release_storage(self, size: int) -> None:
        self._charge.release_storage(size)


@dataclass(frozen=True, slots=True)
class Ask:
    request: ThumbnailRequest
    charge: Charge = NoCharge()
    request_id: str = ""
    document: Document | None = None  # HTML that the caller has sent: it is found as long as somebody asks

    def __post_init__(self) -> None:
        if self.request.private and not self.request.owner:
            raise ValueError("a private request needs its owner: without one, it would be shared with all callers")
