"""The controls of the front door: made from the option table, as are their words and ranges. Knows no HTTP."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Self

from access import AccessRules
from config import Settings
from options import (
    DEVICES,
    FORMATS,
    THUMBNAIL_OPTIONS,
    Boolean,
    CaptureOptions,
    Choice,
    Code,
    Delivery,
    Number,
    Option,
    Preset,
    Rendition,
    Whole,
    callers_options,
)
from validation import AUTO

Pairs = tuple[tuple[str, str], ...]  # the options of a query, by name

URL = "url"
_OPEN = (
    "device", "w", "h", "fit", "format", "quality", "delay", "full_page", "dark_mode", "block_cookie_banners", "selector",
    "clip",
)  # fmt: skip
# `fresh` is a button of its own, and signatures are made by the server.
_NO_CONTROL = (URL, "fresh", "sig", "expires")
_LABELS = {
    "w": "Width",
    "h": "Height",
    "width": "Window width",
    "height": "Window height",
    "full_page": "Whole page",
    "dark_mode": "Dark",
    "block_cookie_banners": "No cookie banners",
    "block_ads": "No advertisements",
    "block_trackers": "No trackers",
    "block_chats": "No chat widgets",
    "hide": "Hide elements",
    "css": "Style sheet",
    "ttl": "Time to live",
    "user_agent": "User agent",
    "ignore_https_errors": "Ignore bad certificates",
}
_EXAMPLES = {"w": "as captured", "h": "as captured", "selector": "main > article", "clip": "x,y,width,height"}
_FIRST = (("w", "640"), ("format", "webp"))  # what the form holds before anybody has chosen
_TRUE = ("true", "1", "yes", "on", "")
_OF_IMAGES = {each.name for each in callers_options(Rendition)} - {"format"}  # a PDF has none of them
_REFERENCE = re.compile(r"[;:.,] [Ss]ee \[[^\]]*\]\([^)]*\)")
_LINE_BREAK = re.compile(r"\s*[\r\n]\s*")
_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")


@dataclass(frozen=True, slots=True)
class OptionControl:
    """How a person sets one option. `kind` is that of the element: check, number, select, area or text.

    A number is typed into a field of text: browsers send nothing at all for what is no number in a field of numbers.

    `choices` are groups of values with their words; the name of a group may be empty. `default` is what counts if nothing
    is chosen, as a text; `example` is shown where a value may be typed.
    """

    name: str
    label: str
    kind: str
    default: str = ""
    hint: str = ""
    example: str = ""
    whole: bool = True
    choices: Sequence[tuple[str, Sequence[tuple[str, str]]]] = ()

    @property
    def values(self) -> frozenset[str]:
        """All values that can be chosen."""
        return frozenset(value for _, choices in self.choices for value, _ in choices)

    def is_on(self, given: Mapping[str, str]) -> bool:
        return given.get(self.name, self.default).lower() in _TRUE

    def written(self, value: str) -> str | None:
        """Return `value` as a query has it, None if it need not be there."""
        if self.kind == "check":
            value = str(value.lower() in _TRUE).lower()
        if self.kind == "area":  # a URL can hold no line break where it is signed, and is easier to read without
            value = _LINE_BREAK.sub(" ", value)
        value = value.strip()
        return value if value and value != self.default else None


@dataclass(frozen=True, slots=True)
class OptionControls:
    """All controls of an installation: those that are open, and those that are folded, by their heading."""

    open: tuple[OptionControl, ...]
    folded: tuple[tuple[str, tuple[OptionControl, ...]], ...]

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Make the controls of the options that callers of this installation may set in a URL."""
        usable = {
            each.name: _control(each, settings) for each in THUMBNAIL_OPTIONS.values() if _is_usable(each, settings)
        }
        groups = (
            ("More of the capture", CaptureOptions),
            ("Delivery", Rendition),
            ("Delivery", Delivery),
        )
        closed = [
            (heading, usable[each.name])
            for heading, group in groups
            for each in callers_options(group)
            if each.name in usable and each.name not in _OPEN
        ]
        return cls(
            tuple(usable[name] for name in _OPEN if name in usable),
            tuple(
                (heading, tuple(each for _, each in pairs)) for heading, pairs in groupby(closed, lambda pair: pair[0])
            ),
        )

    @property
    def all(self) -> tuple[OptionControl, ...]:
        return self.open + tuple(each for _, controls in self.folded for each in controls)

    def read(self, given: Iterable[tuple[str, str]]) -> Pairs:
        """Return the options that a form or a link names, defaults left out. Of several values, the last one counts.

        Other names are ignored: a link may carry what programs append. Values are not judged.
        """
        values = dict(given)
        chosen = [(URL, url)] if (url := values.get(URL, "").strip()) else []
        printed = values.get("format") == "pdf"
        for each in self.all:
            if printed and each.name in _OF_IMAGES:
                continue  # the form still holds the size of the last picture
            written = each.written(values[each.name]) if each.name in values else None
            if written is not None:
                chosen.append((each.name, written))
        return tuple(chosen)

    def first(self, access: AccessRules) -> Pairs:
        """Return what the form holds before anybody has chosen: a size that may be asked for."""
        wanted = dict(_FIRST)
        widths = sorted(width for width, height in access.sizes if width and height is None)
        if access.sizes and int(wanted["w"]) not in widths:
            wanted["w"] = str(min(widths, key=lambda width: abs(width - int(wanted["w"])))) if widths else ""
        return tuple((name, value) for name, value in wanted.items() if value)


def _is_usable(option: Option, settings: Settings) -> bool:
    """Return whether a URL of this installation may hold the option, and the screenshot API knows it."""
    if option.name in _NO_CONTROL or option.private:
        return False
    if option.allowed_by and not getattr(settings, option.allowed_by):
        return False
    params = [option.param(api) for api in settings.capture_api]
    return not option.apis or any(param is not None and param.name for param in params)


def _control(option: Option, settings: Settings) -> OptionControl:
    default = getattr(settings, option.setting) if option.setting else option.default
    label = _LABELS.get(option.name) or option.name.replace("_", " ").capitalize()
    usual = _text(default)
    example = _EXAMPLES.get(option.name) or usual or _unmarked(option.default_words)
    control = OptionControl(option.name, label, "text", usual, _hint(option), example)
    match option.kind:
        case Boolean():
            return replace(control, kind="check")
        case Whole() | Number() as kind:
            return replace(control, kind="number", whole=isinstance(kind, Whole))
        case Preset():
            return replace(control, kind="select", choices=_devices())
        case Choice() as kind:
            values = _formats() if option.name == "format" else kind.values
            neither = () if usual else (("", plain(option.default_words).rstrip(".") or "As usual"),)
            return replace(control, kind="select", choices=(("", (*neither, *((each, each) for each in values))),))
        case Code():
            return replace(control, kind="area")
    return control


def _formats() -> tuple[str, ...]:
    """Return the formats that a page can show, or offer as a file, and the one that the browser chooses."""
    shown = (each.name for each in FORMATS.values() if each.content_type.startswith(("image/", "application/pdf")))
    return (*shown, AUTO)


def _devices() -> tuple[tuple[str, tuple[tuple[str, str], ...]], ...]:
    by_form = groupby(DEVICES.items(), lambda each: each[1].form)
    return (
        ("", (("", "Desktop window"),)),
        *((form, tuple((name, device.label) for name, device in group)) for form, group in by_form),
    )


def _text(value: object) -> str:
    if value is None or value == ():
        return ""
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)


def _hint(option: Option) -> str:
    """Return what an option means, and which values it may have unless the control shows them."""
    shown = isinstance(option.kind, Boolean | Choice | Preset)
    return plain(option.meaning) if shown else f"{plain(option.meaning)} {plain(option.kind.words)}"


def plain(markdown: str) -> str:
    """Return a text of the docs as a sentence, without its marks and references."""
    text = _unmarked(_REFERENCE.sub("", markdown))
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def _unmarked(markdown: str) -> str:
    return _LINK.sub(r"\1", markdown).replace("`", "")
