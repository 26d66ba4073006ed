"""One call of a screenshot API, apart from what it captures."""

from collections.abc import Callable
from dataclasses import dataclass


def _count_nothing() -> None: ...


@dataclass(frozen=True, slots=True)
class CaptureCall:
    """On whose behalf a picture is taken, and what the client of the API has to heed.

    `client` is a pseudonym, which our own engine alone learns: it lets clients take turns. If the API knows priorities, a
    capture in the `background` yields to all others. If another API stands by (`hands_over`), this one is not asked again
    after a failure of its own. `count` is called before each try. If it raises `RateLimited` or `CostLimited`, the try and
    all retries are left out.
    """

    request_id: str = ""
    client: str = ""
    background: bool = False
    hands_over: bool = False
    count: Callable[[], None] = _count_nothing


NO_CALLER = CaptureCall()
