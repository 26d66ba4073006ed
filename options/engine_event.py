"""The engine's log event of a capture, as it travels to the service in a header of its answer: JSON in ASCII.

It tells how the capture went, in the words of the engine's log, without a URL. It never holds the guard's verdicts: to
clients of the engine, all refusals look alike. The reader trusts neither names nor lengths.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

EVENT_HEADER = "X-Engine-Event"
LONGEST_EVENT = 2000  # bytes
LONGEST_REASON = 200  # characters
_MOST_PARTS = 12
_WORD = re.compile(r"[a-z][a-z_-]{0,39}")
_NUMBERS = ("seconds", "connections", "requests", "bytes", "refused", "queued", "attempts")


def write_event(facts: Mapping[str, object]) -> str:
    """Write the value of the header."""
    short = {name: value[:LONGEST_REASON] if isinstance(value, str) else value for name, value in facts.items()}
    return json.dumps(short, separators=(",", ":"))


def read_event(header: str) -> dict[str, Any]:
    """Read the value of the header: `outcome`, `reason`, numbers, and `parts` with their seconds. Empty if it is invalid."""
    try:
        given = json.loads(header) if 0 < len(header) <= LONGEST_EVENT else {}
    except (ValueError, RecursionError):
        return {}
    if not isinstance(given, dict):
        return {}
    event: dict[str, Any] = {}
    if isinstance(outcome := given.get("outcome"), str) and _WORD.fullmatch(outcome):
        event["outcome"] = outcome
    if isinstance(reason := given.get("reason"), str):
        event["reason"] = "".join(c if c.isprintable() else " " for c in reason[:LONGEST_REASON])
    event |= {name: given[name] for name in _NUMBERS if _is_number(given.get(name))}
    if isinstance(parts := given.get("parts"), dict):
        event["parts"] = {
            name: seconds
            for name, seconds in list(parts.items())[:_MOST_PARTS]
            if _WORD.fullmatch(name) and _is_number(seconds)
        }
    return event


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e15
