"""The header `Prefer`: what a caller would rather have. What cannot be read of it is ignored, as RFC 7240 asks."""

import re
from dataclasses import dataclass
from typing import Self

from werkzeug.http import parse_list_header

from options import LONGEST_WAIT

_SECONDS = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class Preferences:
    """`respond_async` is a wish for a job where the answer would take longer than `wait` seconds."""

    respond_async: bool
    wait: int

    @classmethod
    def of(cls, header: str) -> Self:
        """Read the header. Of a preference that is given twice the first counts; its parameters mean nothing here."""
        found: dict[str, str] = {}
        for each in parse_list_header(header):
            name, _, value = each.partition(";")[0].partition("=")
            found.setdefault(name.strip().lower(), value.strip().strip('"'))
        wait = found.get("wait", "")
        return cls("respond-async" in found, min(int(wait), LONGEST_WAIT) if _SECONDS.fullmatch(wait) else 0)
