"""What can go wrong between a program and the service."""

from collections.abc import Mapping


class ServiceError(Exception):
    """The service refused a request, or failed. `code` is from docs/errors.md, `field` names the option at fault.

    `retryable` says whether the same request may work later; `retry_after` in how many seconds, if the service said so.
    """

    def __init__(self, status: int, problem: Mapping[str, object], retry_after: float | None = None) -> None:
        self.status = status
        self.code = str(problem.get("code", f"http_{status}"))
        self.detail = str(problem.get("detail") or problem.get("title") or f"the service answered {status}")
        field, colon, _ = self.detail.partition(": ")
        self.field = field if colon and " " not in field else ""
        self.retryable = bool(problem.get("retryable", False))
        self.request_id = str(problem.get("request_id", ""))
        self.retry_after = retry_after
        super().__init__(f"{self.detail} ({self.code})")


class Unreachable(Exception):
    """The service gave no answer, or one that is not its own."""


class TimedOut(Exception):
    """The job or picture was not ready in time. The service continues with it."""


class UnverifiedMessage(Exception):
    """A webhook's message is not from the service, or is too old."""
