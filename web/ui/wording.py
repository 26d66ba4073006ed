"""Times, numbers and sizes in words, as pages show them. Pure."""

from datetime import UTC, datetime

_UNITS = (
    (365 * 86400, "year"),
    (30 * 86400, "month"),
    (7 * 86400, "week"),
    (86400, "day"),
    (3600, "hour"),
    (60, "minute"),
)
_BYTES = ((10**9, "GB"), (10**6, "MB"), (10**3, "kB"))


def ago(when: datetime, now: datetime | None = None) -> str:
    """Write how long ago `when` was, or in how much time it will be: `3 hours ago`, `in 2 days`."""
    seconds = int(((now or datetime.now(UTC)) - when).total_seconds())
    for length, unit in _UNITS:
        count = abs(seconds) // length
        if count:
            many = f"{count} {unit}{'' if count == 1 else 's'}"
            return f"{many} ago" if seconds > 0 else f"in {many}"
    return "just now" if seconds >= 0 else "in a moment"


def moment(when: datetime) -> str:
    """Write a time to the minute, in UTC, since the server does not know where the reader is."""
    return f"{when.astimezone(UTC):%-d %B %Y, %H:%M} UTC"


def number(value: int) -> str:
    return f"{value:,}"


def size(count: int) -> str:
    """Write a number of bytes with two or three digits that matter."""
    for length, unit in _BYTES:
        if count >= length:
            value = count / length
            return f"{value:.0f} {unit}" if value >= 10 else f"{value:.1f} {unit}"
    return f"{count} bytes"
