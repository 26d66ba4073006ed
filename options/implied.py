"""What some options imply for others, the same for the service and the engine. Pure."""

from collections.abc import Mapping
from typing import Any


class Contradiction(Exception):
    """Two options exclude each other. `name` is the option to change, and the text says how."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(text)
        self.name = name


def implied(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the options that a caller has `given` imply: the values that replace those of other options.

    Of two spellings of one wish, one remains, so that both have the same key. Raises Contradiction.
    """
    values: dict[str, Any] = {}
    if scheme := given.get("color_scheme"):
        dark = scheme == "dark"
        if given.get("dark_mode", dark) != dark:
            raise Contradiction("color_scheme", f"contradicts dark_mode={str(not dark).lower()}; send only one of them")
        values |= {"dark_mode": dark, "color_scheme": None}
    if locale := given.get("locale"):
        values["locale"] = _canonical(locale)
    return values


def _canonical(locale: str) -> str:
    """Write a language tag in the case that BCP 47 recommends: `zh-Hant-TW`."""
    language, *others = locale.lower().split("-")
    cases = {2: str.upper, 4: str.title}
    return "-".join((language, *(cases.get(len(each), str)(each) for each in others)))
