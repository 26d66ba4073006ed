"""The kinds of values. `words` completes "must be …" in error texts, and fills the column of values in the docs."""

import re
import zoneinfo
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from options.values import LONGEST_CODE

BLANKS = " \t\r\n"  # around a value that comes from a template or a text field
_FRACTION = re.compile(r"[0-9]{1,6}\.[0-9]{1,20}")


def rounded(text: str) -> int | None:
    """Round a fraction, as CSS layouts make of a length, halves up. Returns None for any other text."""
    return int(float(text) + 0.5) if _FRACTION.fullmatch(text) else None


class Kind(Protocol):
    @property
    def words(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Whole:
    low: int
    high: int
    unit: str = ""

    @property
    def words(self) -> str:
        return f"a whole number{f' of {self.unit}' if self.unit else ''} from {self.low} to {self.high}"

    def guess(self, text: str | None) -> int | None:
        """Parse plain digits within the range, or a fraction, which is rounded. Returns None for anything else."""
        plain = (text or "").strip(BLANKS)
        readable = re.fullmatch(r"[1-9][0-9]{0,8}", plain)
        value = int(readable[0]) if readable else rounded(plain)
        return value if value is not None and self.low <= value <= self.high else None


@dataclass(frozen=True, slots=True)
class Number:
    low: float
    high: float

    @property
    def words(self) -> str:
        return f"a number from {self.low:g} to {self.high:g}"


@dataclass(frozen=True, slots=True)
class Boolean:
    @property
    def words(self) -> str:
        return "true or false"


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several words. `aliases` are other spellings, which no text for people names."""

    values: tuple[str, ...]
    aliases: Mapping[str, str] = field(default_factory=dict)  # to the values

    @property
    def words(self) -> str:
        return either(self.values)


@dataclass(frozen=True, slots=True)
class Preset:
    """One of several names. People write them with capitals and spaces too: `iPhone 14` is `iphone-14`."""

    values: tuple[str, ...]
    aliases: Mapping[str, str] = field(default_factory=dict)  # to the names

    @property
    def words(self) -> str:
        return either(self.values)

    def spelled(self, text: str) -> str:
        name = "-".join(text.lower().split())
        return self.aliases.get(name, name)

    def guess(self, text: str) -> str | None:
        """Return the name that `text` spells, or None."""
        return name if (name := self.spelled(text)) in self.values else None


@dataclass(frozen=True, slots=True)
class Selector:
    """A CSS selector, or with `several` a list of them. Only the browser can validate it."""

    longest: int
    several: bool = False

    @property
    def words(self) -> str:
        return f"a CSS selector of 1 to {self.longest} characters"


@dataclass(frozen=True, slots=True)
class Code:
    """A text of another language, which the browser reads: a style sheet or a script."""

    language: str

    @property
    def words(self) -> str:
        return f"{self.language} of at most {LONGEST_CODE} characters"


@dataclass(frozen=True, slots=True)
class Parts:
    """A value of several parts, which `read` makes of JSON, or of a query's text. It raises ValueError."""

    words: str
    read: Callable[[object], object]


@dataclass(frozen=True, slots=True)
class Matching:
    """A string that matches `pattern` as a whole."""

    pattern: str
    words: str


@dataclass(frozen=True, slots=True)
class Zone:
    """The name of a time zone, by the files of this machine. If it has none, only the browser can validate it."""

    @property
    def words(self) -> str:
        return "an IANA time zone such as Europe/Berlin"

    def accepts(self, name: str) -> bool:
        # The folder holds other files too, with small initials, and one that is no zone.
        plain = re.fullmatch(r"[A-Z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}", name) and name != "Factory"
        return bool(plain) and len(name) <= 64 and (_is_zone(name) or not _is_zone("UTC"))


def _is_zone(name: str) -> bool:
    """Look for one file: a list of all zones would take a tenth of a second."""
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


@dataclass(frozen=True, slots=True)
class Time:
    @property
    def words(self) -> str:
        return "a Unix time in seconds"


@dataclass(frozen=True, slots=True)
class Text:
    """A string that another module validates, such as a URL."""

    words: str


@dataclass(frozen=True, slots=True)
class Texts:
    """A list of such strings."""

    words: str
    most: int


def either(values: tuple[object, ...]) -> str:
    """Write `a, b or c`."""
    *others, last = map(str, values)
    return f"{', '.join(others)} or {last}" if others else last
