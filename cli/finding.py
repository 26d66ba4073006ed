"""What a check of `thumbnails doctor` has found."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from services import Services

Verdict = Literal["ok", "warning", "failed"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check has found. `advice` says what to do; it is empty where nothing is to be done."""

    subject: str
    verdict: Verdict
    words: str
    advice: str = ""


Check = Callable[[Services], Iterator[Finding]]
