"""What callers say about a site → the fields of a SiteDraft, in normal form. Pure: it looks nothing up."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from errors import InvalidOption
from options import CaptureOptions, Target, callers_options, chosen
from sites.schedules import Keep, Schedule
from sites.values import SiteDraft
from validation import Validator

LONGEST_TITLE = 500
LONGEST_NOTE = 4000
LONGEST_TAG = 40
MOST_TAGS = 20
TAG_SEPARATORS = ",;|"  # programs write lists of tags differently; so no tag has any of these in it
_OPTIONS = frozenset(each.name for each in callers_options(CaptureOptions) if not each.private) - {"url"}
_BREAKS = re.compile(r"[\x00-\x1f\x7f\u2028\u2029]+")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]+")


class DraftReader:
    """Validates what is said about sites, by the rules of one installation."""

    def __init__(self, validator: Validator, require_target: Callable[[Target], object] = lambda _: None) -> None:
        """`require_target` raises ForbiddenHost for a host that the operator does not allow."""
        self._validator = validator
        self._require_target = require_target

    def read(self, given: Mapping[str, Any]) -> SiteDraft:
        """Return the draft that `given` describes. Raises as `fields`."""
        return SiteDraft(**self.fields(given))

    def fields(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the fields that are given, in normal form. With options, the URL must be given too.

        Raises InvalidOption, InvalidURL, BlockedTarget or ForbiddenHost, each about a field.
        """
        said = {name: _READERS[name](value) for name, value in given.items() if name in _READERS}
        wanted = self._validator.parse_json({"url": given.get("url")})
        self._require_target(wanted.target)
        said["url"] = wanted.target.url
        if "options" in given:
            said["options"] = self._options(wanted.target.url, given["options"])
        return said

    def changes(self, given: Mapping[str, Any], url: str) -> dict[str, Any]:
        """Return the fields that are given for the known site of `url`, which is judged again only if it matters.

        Raises as `fields`.
        """
        if "url" not in given and "options" not in given:
            return {name: _READERS[name](value) for name, value in given.items() if name in _READERS}
        fields = self.fields({"url": url} | dict(given))
        return {name: value for name, value in fields.items() if name in given}

    def _options(self, url: str, given: object) -> dict[str, str]:
        """Return the options that make the capture another one than that of `url` alone."""
        if not isinstance(given, Mapping):
            raise InvalidOption('must be an object such as {"device": "iphone-15"}', field="options")
        options = {str(name): _as_text(name, value) for name, value in given.items()}
        for name in options.keys() - _OPTIONS:
            raise InvalidOption("is not an option of a site's captures; leave it out", field=f"options.{name[:40]}")
        capture = self._capture(url, options)
        for name in sorted(options):  # one after another: of two that say the same, one stays
            others = {other: text for other, text in options.items() if other != name}
            if self._capture(url, others) == capture:
                options = others
        return dict(sorted(options.items()))

    def _capture(self, url: str, options: Mapping[str, str]) -> dict[str, Any]:
        try:
            return chosen(self._validator.parse_json({"url": url, **options}).capture)
        except InvalidOption as err:
            raise err.about(f"options.{err.field}") from err.__cause__


def split_tags(text: str) -> tuple[str, ...]:
    """Split tags that are written in one text, wherever people or programs wrote it."""
    for separator in TAG_SEPARATORS:
        text = text.replace(separator, ",")
    return tuple(tag for part in text.split(",") if (tag := " ".join(part.split())))


def _as_text(name: object, value: object) -> str:
    """Write the value of an option as a query has it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str | int | float):
        raise InvalidOption("must be a text, a number, true or false", field=f"options.{str(name)[:40]}")
    return str(value)


def _line(name: str, longest: int) -> Callable[[object], str]:
    """Return what reads a text of one line."""

    def read(value: object) -> str:
        text = " ".join(_BREAKS.sub(" ", _text(name, value)).split())
        if len(text) > longest:
            raise InvalidOption(f"must be at most {longest} characters", field=name)
        return text

    return read


def _note(value: object) -> str:
    text = _CONTROLS.sub("", _text("note", value).replace("\r\n", "\n")).strip()
    if len(text) > LONGEST_NOTE:
        raise InvalidOption(f"must be at most {LONGEST_NOTE:,} characters", field="note")
    return text


def _tags(value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(tag, str) for tag in value):
        raise InvalidOption('must be a list of texts such as ["news"]', field="tags")
    tags = {tag for each in value if (tag := _line("tags", LONGEST_TAG)(each).lower())}
    if any(separator in tag for tag in tags for separator in TAG_SEPARATORS):
        raise InvalidOption("must have no comma, semicolon or bar in a tag", field="tags")
    if len(tags) > MOST_TAGS:
        raise InvalidOption(f"must be at most {MOST_TAGS} tags", field="tags")
    return tuple(sorted(tags))


def _parsed(name: str, parse: Callable[[str, str], object]) -> Callable[[object], str]:
    """Return what reads a text that `parse` understands, in small letters and single blanks."""

    def read(value: object) -> str:
        text = " ".join(_text(name, value).lower().split())
        parse(text, name)
        return text

    return read


def _paused(value: object) -> bool:
    if not isinstance(value, bool):
        raise InvalidOption("must be true or false", field="paused")
    return value


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise InvalidOption("must be a text", field=name)
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidOption("must be Unicode text without lone surrogates", field=name) from None
    return value


_READERS: Mapping[str, Callable[[object], Any]] = {
    "title": _line("title", LONGEST_TITLE),
    "note": _note,
    "tags": _tags,
    "schedule": _parsed("schedule", Schedule.parse),
    "keep": _parsed("keep", Keep.parse),
    "paused": _paused,
}
