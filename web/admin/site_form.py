"""The form of a site: its controls, made from the table of options, and what a browser sends of it. Pure but for settings."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from werkzeug.datastructures import MultiDict

from config import Settings
from options import Boolean, CaptureOptions, Choice, Code, Number, Option, Preset, Selector, Whole, callers_options
from sites import Site, SiteDraft, split_tags

PREFIX = "options."
_COMMON = ("device", "width", "height", "full_page", "dark_mode", "block_cookie_banners", "delay", "hide")
_ELSEWHERE = frozenset(("url",))
_LINK = re.compile(r"\[([^\]]+)\]\([^)]*\)")
_TYPED = ("url", "title", "note", "schedule", "keep")


@dataclass(frozen=True, slots=True)
class SiteControl:
    """How an option is asked for. `kind` is that of the HTML control, `choices` are those of a select."""

    name: str
    label: str
    hint: str
    kind: str
    default: str
    choices: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    longest: int = 1024


@dataclass(frozen=True, slots=True)
class SiteControls:
    """The controls of all options: the `common` ones, and the `others`, which are folded up."""

    common: tuple[SiteControl, ...]
    others: tuple[SiteControl, ...]

    @classmethod
    def of(cls, settings: Settings) -> "SiteControls":
        """Make the controls of the options that this installation allows for sites."""
        known = {
            each.name: _control(each, settings)
            for each in callers_options(CaptureOptions)
            if not each.private and each.name not in _ELSEWHERE and _is_allowed(each, settings)
        }
        common = tuple(known[name] for name in _COMMON)
        return cls(common, tuple(control for name, control in known.items() if name not in _COMMON))

    def read(self, form: Mapping[str, str]) -> dict[str, str]:
        """Return the options that a form says. An unticked box is not sent at all, so it means false."""
        given = {}
        for control in (*self.common, *self.others):
            value = form.get(PREFIX + control.name, "").strip()
            if control.kind == "checkbox":
                value = "true" if value else "false"
            if value and value != control.default:
                given[control.name] = value
        return given


def preview_query(values: Mapping[str, Any], controls: SiteControls) -> str:
    """Write the address and all options of a form as a browser would send them."""
    pairs = [("url", values["url"])]
    for control in (*controls.common, *controls.others):
        value = values["options"].get(control.name, control.default)
        if value and not (control.kind == "checkbox" and value == "false"):
            pairs.append((PREFIX + control.name, value))
    return urlencode(pairs)


def typed_values(form: MultiDict[str, str], controls: SiteControls) -> dict[str, Any]:
    """Return what a browser sends as the fields of a site, for DraftReader."""
    said: dict[str, Any] = {name: form.get(name, "") for name in _TYPED}
    said["tags"] = list(split_tags(form.get("tags", "")))
    said["paused"] = "paused" in form
    said["options"] = controls.read(form)
    return said


def normal_form(typed: Mapping[str, Any]) -> dict[str, Any]:
    """Return typed values as `values_of` would, as far as that needs no validation."""
    return {**typed, "tags": sorted({tag.strip().lower() for tag in typed["tags"] if tag.strip()})}


def values_of(site: Site | SiteDraft) -> dict[str, Any]:
    """Return a site as `typed_values` would."""
    return {
        "url": site.url,
        "title": site.title,
        "note": site.note,
        "schedule": site.schedule,
        "keep": site.keep,
        "tags": list(site.tags),
        "paused": site.paused,
        "options": dict(site.options),
    }


def differences(mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return the fields that differ, each with both values in words."""
    return [(name, _words(mine[name]), _words(theirs[name])) for name in mine if mine[name] != theirs[name]]


def _words(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={text}" for name, text in value.items()) or "none"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    return str(value) or "empty"


def _is_allowed(option: Option, settings: Settings) -> bool:
    return not option.allowed_by or bool(getattr(settings, option.allowed_by))


def _control(option: Option, settings: Settings) -> SiteControl:
    default = getattr(settings, option.setting) if option.setting else option.default
    text = "" if default is None else str(default).lower() if isinstance(default, bool) else f"{default}"
    if isinstance(default, float):
        text = f"{default:g}"
    label, hint = option.name.replace("_", " ").capitalize(), _plain(option.meaning)
    match option.kind:
        case Boolean():
            return SiteControl(option.name, label, hint, "checkbox", text)
        case Choice() | Preset() as kind:
            return SiteControl(option.name, label, hint, "select", text, kind.values)
        case Whole() | Number() as kind:
            return SiteControl(
                option.name, label, f"{hint}: {kind.words}", "number", text, low=kind.low, high=kind.high
            )
        case Code():
            return SiteControl(option.name, label, hint, "textarea", text, longest=100_000)
        case Selector() as kind:
            return SiteControl(option.name, label, hint, "text", text, longest=kind.longest)
    return SiteControl(option.name, label, f"{hint}: {option.kind.words}", "text", text)


def _plain(markdown: str) -> str:
    """Return the text of the docs without links and marks."""
    text = _LINK.sub(r"\1", markdown).replace("`", "").partition("; see ")[0].partition(". See ")[0]
    return text[:1].upper() + text[1:]
