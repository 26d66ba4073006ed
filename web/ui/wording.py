"""Times, numbers, sizes and names of sites in words, as pages show them. Pure."""

from datetime import UTC, datetime
from urllib.parse import urlsplit

from sites import Site

_UNITS = (
    (365 * 86400, "year"),
    (30 * 86400, "month"),
    (7 * 86400, "week"),
    (86400, "day"),
    (3600, "hour"),
    (60, "minute"),
)
_PREDICATES = ("must", "is", "contains", "cannot", "contradicts")
_BYTES = ((10**9, "GB"), (10**6, "MB"), (10**3, "kB"))


def span(when: datetime, now: datetime | None = None) -> str:
    """Write how much time lies between `when` and now, in its largest unit: `3 hours`, or `a moment`."""
    seconds = abs(int(((now or datetime.now(UTC)) - when).total_seconds()))
    length, unit = next((each for each in _UNITS if seconds >= each[0]), (0, ""))
    count = seconds // length if length else 0
    return f"{count} {unit}{'' if count == 1 else 's'}" if count else "a moment"


def ago(when: datetime, now: datetime | None = None) -> str:
    """Write how long ago `when` was, or how soon it is: `3 hours ago`, `in 2 days`."""
    now = now or datetime.now(UTC)
    return f"in {span(when, now)}" if when > now else f"{span(when, now)} ago"


def due(when: datetime, now: datetime | None = None) -> str:
    """Write when something that is planned will happen: `now` if it is late."""
    now = now or datetime.now(UTC)
    return ago(when, now) if when > now else "now"


def moment(when: datetime) -> str:
    """Write a time to the minute, in UTC, since the server does not know where the reader is."""
    return f"{when.astimezone(UTC):%-d %B %Y, %H:%M} UTC"


def day(when: datetime) -> str:
    return f"{when.astimezone(UTC):%-d %b %Y}"


def minute(when: datetime) -> str:
    return f"{when.astimezone(UTC):%-d %b %Y, %H:%M}"


def number(value: int) -> str:
    return f"{value:,}"


def percent(share: float) -> str:
    """Write a share in percent, never 0 for what did change."""
    if 0 < share < 0.1:
        return "less than 0.1 %"
    return f"{share:.1f} %" if share < 10 else f"{share:.0f} %"


def size(count: int) -> str:
    """Write a number of bytes with two or three digits that matter."""
    for length, unit in _BYTES:
        if count >= length:
            value = count / length
            return f"{value:.0f} {unit}" if value >= 10 else f"{value:.1f} {unit}"
    return f"{count} bytes"


def duration(milliseconds: int) -> str:
    """Write how long something took."""
    return f"{milliseconds} ms" if milliseconds < 1000 else f"{milliseconds / 1000:.1f} s"


def seconds(count: int) -> str:
    """Write how long to wait, in the unit that people think in."""
    length, unit = next((each for each in _UNITS if count >= 2 * each[0]), (1, "second"))
    rounded = -(-count // length)
    return f"{rounded} {unit}{'' if rounded == 1 else 's'}"


def host(url: str) -> str:
    """Return the host of a site as people call it, with its port if it has one."""
    return urlsplit(url).netloc.removeprefix("www.")


def name(site: Site) -> str:
    return site.title or host(site.url)


def sentence(text: str) -> str:
    """Write the words of an error as a sentence."""
    return f"{text[:1].upper()}{text[1:]}."


def sentence_about(label: str, reason: str) -> str:
    """Write what is wrong with a field as a sentence, whose subject it is if the reason has none."""
    return f"{label} {reason}." if reason.split(" ", 1)[0] in _PREDICATES else sentence(reason)
