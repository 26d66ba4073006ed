"""The header `Prefer` (RFC 7240). Unknown and malformed preferences are ignored, as the RFC requires."""

import re
from dataclasses import dataclass
from typing import Self

from werkzeug.http import parse_list_header

from options import LONGEST_WAIT

_SECONDS = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class Preferences:
    """With `respond_async`, the caller prefers a job to a response that takes longer than `wait` seconds."""

    respond_async: bool
    wait: int

    @classmethod
    def of(cls, header: str) -> Self:
        """Read the header. The first of repeated preferences counts, and their parameters are ignored."""
        found: dict[str, str] = {}
        for each in parse_list_header(header):
            name, _, value = each.partition(";")[0].partition("=")
            found.setdefault(name.strip().lower(), value.strip().strip('"'))
        wait = found.get("wait", "")
        return cls("respond-async" in found, min(int(wait), LONGEST_WAIT) if _SECONDS.fullmatch(wait) else 0)
