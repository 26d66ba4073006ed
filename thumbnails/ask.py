"""The value that travels through the flow: a request, the budget that pays for its capture, and the request id."""

from dataclasses import dataclass
from typing import Protocol

from model import ThumbnailRequest


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


@dataclass(frozen=True, slots=True)
class Ask:
    request: ThumbnailRequest
    charge: Charge = NoCharge()
    request_id: str = ""

    def __post_init__(self) -> None:
        if self.request.private and not self.request.owner:
            raise ValueError("a private request needs its owner: without one, it would be shared with all callers")
