"""What the values of other services' options mean here: units, limits, and other words for the same. Pure.

Other services forgive: a number out of range becomes the nearest one in range, and a value that says nothing is ignored.
So a reader here returns None instead of an error.
"""

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from options import PRIVATE, THUMBNAIL_OPTIONS, Boolean, Choice, Code, Number, Parts, Selector, Whole, read_code

Reading = Callable[[str], object]
_NUMBER = re.compile(r"\s*([+-]?[0-9]{1,12}(?:\.[0-9]{1,12})?)")  # what follows the number is ignored, as PHP does
_OFF = frozenset({"false", "0", "no", "off", "none", "null", "undefined"})


@dataclass(frozen=True, slots=True)
class Rule:
    """The name of our option, and what reads its value there. `read` returns None for a value that is ignored."""

    option: str
    read: Reading


def number_in(text: str) -> float | None:
    """Read the number with which `text` begins."""
    found = _NUMBER.match(text)
    return float(found[1]) if found else None


def clamped(option: str, value: float) -> float:
    """Return the nearest value that our `option` takes."""
    kind = THUMBNAIL_OPTIONS[option].kind
    if isinstance(kind, Whole):
        return max(kind.low, min(round(value), kind.high))
    return max(kind.low, min(value, kind.high)) if isinstance(kind, Number) else value


def number(option: str, low: float = -math.inf, high: float = math.inf, *, times: float = 1) -> Rule:
    """Make a rule for a number that the other service clamps to `low` and `high`. `times` turns its unit into ours."""

    def read(text: str) -> object:
        value = number_in(text)
        return None if value is None else clamped(option, max(low, min(value, high)) * times)

    return Rule(option, read)


def size(option: str, low: float = -math.inf, high: float = math.inf) -> Rule:
    """Make a rule for a length in pixels, which 0 leaves out."""
    plain = number(option, low, high)
    return Rule(option, lambda text: plain.read(text) if number_in(text) else None)


def seconds(option: str, low: float = 0, high: float = math.inf) -> Rule:
    """Make a rule for a time in seconds that we take in milliseconds."""
    return number(option, low, high, times=1000)


def is_on(text: str) -> bool:
    """Return whether a switch is on. Its name alone switches it on."""
    return text.strip().lower() not in _OFF


def flag(option: str) -> Rule:
    return Rule(option, is_on)


def opposite(option: str) -> Rule:
    """Make a rule for a switch that says the opposite of ours."""
    return Rule(option, lambda text: not is_on(text))


def choice(option: str, values: Mapping[str, object]) -> Rule:
    """Make a rule for one of several words, in any case."""
    return Rule(option, lambda text: values.get(text.strip().lower()))


def selector(option: str) -> Rule:
    kind = THUMBNAIL_OPTIONS[option].kind
    longest = kind.longest if isinstance(kind, Selector) else 0
    return Rule(option, lambda text: text.strip() if text.strip() and len(text) <= longest else None)


def code(option: str) -> Rule:
    """Make a rule for a style sheet or a script."""

    def read(text: str) -> object:
        try:
            return read_code(text, "")
        except ValueError:
            return None

    return Rule(option, read)


def judged(option: str) -> Rule:
    """Make a rule for a text that our own validation judges. It is ignored if that refuses it."""
    return Rule(option, lambda value: value.strip() or None)


def parts(option: str) -> Rule:
    """Make a rule for a value of several parts, which comes as the JSON of a body. Our own validation judges it."""

    def read(value: str) -> object:
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return None

    return Rule(option, read)


def rules_of(api: str) -> dict[str, Rule]:
    """Make the table of a screenshot API that this service can also capture with, from the names of options there."""
    table: dict[str, Rule] = {}
    for option in THUMBNAIL_OPTIONS.values():
        param = option.apis.get(api)
        if param is None or not param.name:
            continue
        low, high = param.limits or (-math.inf, math.inf)
        match option.kind:
            case Whole() | Number():
                rule = number(option.name, low, high)
            case Boolean():
                rule = flag(option.name)
            case Choice() if param.values:
                rule = choice(option.name, {str(theirs): ours for ours, theirs in param.values.items()})
            case Selector():
                rule = selector(option.name)
            case Code():
                rule = code(option.name)
            case Parts():
                rule = parts(option.name)
            case _:
                rule = judged(option.name)
        table[param.name] = rule
    return table


FORMATS: Mapping[str, object] = {
    "png": "png", "jpg": "jpeg", "jpeg": "jpeg", "webp": "webp", "avif": "avif", "pdf": "pdf",
}  # fmt: skip
# Moments of loading, as Puppeteer and the services that use it call them.
MOMENTS: Mapping[str, object] = {
    "load": "load", "domcontentloaded": "domcontentloaded", "networkidle": "networkidle",
    "networkidle0": "networkidle", "networkidle2": "networkidle",
}  # fmt: skip


def translate(words: Mapping[str, str], table: Mapping[str, Rule], *, private: bool = False) -> dict[str, object]:
    """Translate another service's options by its `table`. Names without a rule are ignored.

    Options that may hold secrets are read only if `private`: not from an address, which is logged and remembered everywhere.
    """
    values: dict[str, object] = {}
    for name, value in words.items():
        rule = table.get(name)
        if rule is None or (rule.option in PRIVATE and not private):
            continue
        read = rule.read(value)
        if read is not None:
            values[rule.option] = read
    return values
