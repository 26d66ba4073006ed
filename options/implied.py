"""What some options imply for others, the same for the service and the engine. Pure."""

from collections.abc import Mapping
from typing import Any

from options.devices import DEVICES


class Contradiction(Exception):
    """Two options exclude each other. `name` is the option to change, and the text says how."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(text)
        self.name = name


def implied(given: Mapping[str, Any], *, landscape: bool = False) -> dict[str, Any]:
    """Return what the options that a caller has `given` imply: the values that replace those of other options.

    A device decides what is not given. In `landscape`, it lies on its longer side. Of two spellings of one wish, one
    remains, so that both have the same key. Raises Contradiction.
    """
    preset = implied_by_device(given.get("device"))
    if landscape and preset and preset["width"] < preset["height"]:
        preset |= {"width": preset["height"], "height": preset["width"]}
    values = {name: value for name, value in preset.items() if name not in given}
    if scheme := given.get("color_scheme"):
        dark = scheme == "dark"
        if given.get("dark_mode", dark) != dark:
            raise Contradiction("color_scheme", f"contradicts dark_mode={str(not dark).lower()}; send only one of them")
        values |= {"dark_mode": dark, "color_scheme": None}
    if locale := given.get("locale"):
        values["locale"] = _canonical(locale)
    return values


def implied_by_device(name: str | None) -> dict[str, Any]:
    """Return the options that a device decides, unless others are given."""
    if name is None:
        return {}
    device = DEVICES[name]
    return {"width": device.width, "height": device.height, "scale": float(device.scale)}


def _canonical(locale: str) -> str:
    """Write a language tag in the case that BCP 47 recommends: `zh-Hant-TW`."""
    language, *others = locale.lower().split("-")
    cases = {2: str.upper, 4: str.title}
    return "-".join((language, *(cases.get(len(each), str)(each) for each in others)))
