"""`template.toml`: what a template is for, how large its cards are, and which variables it has."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from cards.failures import BrokenTemplate
from cards.values import DEFAULT_LENGTHS, LONGEST, TYPES, TemplateVariable, read_value

WIDTH, HEIGHT = 1200, 630  # what Facebook, X, LinkedIn and others show whole
SIDES = range(100, 3841)
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_CHOICE = re.compile(r"[A-Za-z0-9-]{1,40}")
_ABOUT = {"title": str, "description": str, "width": int, "height": int, "variables": dict}
_OF_VARIABLE = {
    "type": str,
    "description": str,
    "length": int,
    "required": bool,
    "default": (str, int, float, bool),
    "example": (str, int, float, bool),
    "choices": list,
}
# What every template has, unless it declares a variable of this name itself.
COMMON = (
    TemplateVariable(
        "lang", "language", "The language of the texts, such as ja: it chooses glyphs, breaks of lines and the look of dates.", 0
    ),
    TemplateVariable("theme", "choice", "Dark text on light, or light on dark.", 0, default="light", choices=("light", "dark")),
    TemplateVariable("background", "colour", "The colour of the ground, in place of the theme's."),
    TemplateVariable("accent", "colour", "The colour of what stands out.", 0, default="#2f5bea"),
)  # fmt: skip
RESERVED = (
    "w", "h", "fit", "width", "height", "scale", "format", "quality", "ttl", "fresh", "wait", "sig", "expires", "key", "v",
    "template", "dir", "self", "loop",  # the last two have a meaning in Jinja
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Declaration:
    """What `template.toml` says. Sizes are in CSS pixels."""

    title: str
    description: str
    width: int
    height: int
    variables: Mapping[str, TemplateVariable]


def read_declaration(file: Path) -> Declaration:
    """Read the `template.toml` of a template.

    Raises BrokenTemplate.
    """
    try:
        text = file.read_text(encoding="utf-8")
        given = tomllib.loads(text)
    except tomllib.TOMLDecodeError as err:
        found = re.search(r" \(at line (\d+), column \d+\)$", str(err))
        end = text.count("\n") + 1
        raise BrokenTemplate(file, int(found[1]) if found else end, str(err).partition(" (at ")[0]) from None
    except RecursionError:
        line = max(enumerate(text.splitlines(), 1), key=lambda each: each[1].count("[") + each[1].count("{"))[0]
        raise BrokenTemplate(file, line, "is nested too deeply") from None
    except UnicodeDecodeError:
        raise BrokenTemplate(file, 1, "must be UTF-8") from None
    except OSError as err:
        raise BrokenTemplate(file, 1, f"cannot be read: {err.strerror}") from None
    return _DeclarationReader(file, text.splitlines()).declaration(given)


class _DeclarationReader:
    """Reads the decoded file, and finds the line of what is wrong."""

    def __init__(self, file: Path, lines: list[str]) -> None:
        self._file, self._lines = file, lines

    def declaration(self, given: Mapping[str, Any]) -> Declaration:
        self._require(given, _ABOUT, "")
        sides = {name: given.get(name, default) for name, default in (("width", WIDTH), ("height", HEIGHT))}
        for name, side in sides.items():
            if side not in SIDES:
                self._refuse(f"{name} must be a number of pixels from {SIDES[0]} to {SIDES[-1]}", key=name)
        if not given.get("title"):
            self._refuse("title is missing: a few words that name the template")
        variables = {each.name: each for each in COMMON}
        for name, about in given.get("variables", {}).items():
            variables[name] = self._variable(name, about, variables.get(name))
        return Declaration(given["title"], given.get("description", ""), sides["width"], sides["height"], variables)

    def _variable(self, name: str, given: object, common: TemplateVariable | None) -> TemplateVariable:
        table = f"variables.{name}"
        if not _NAME.fullmatch(name) or name in RESERVED:
            self._refuse(
                f"{name} cannot be the name of a variable: lower-case letters, digits and _; not {', '.join(RESERVED)}",
                table,
            )
        if not isinstance(given, dict):
            self._refuse(f"{table} must be a table", table)
        self._require(given, _OF_VARIABLE, table)
        kind = given.get("type", common.type if common else "")
        if kind not in TYPES or (common and kind != common.type):
            valid = common.type if common else ", ".join(TYPES)
            self._refuse(f"{table}: type must be {'' if common else 'one of '}{valid}", table, "type")
        length = given.get("length", DEFAULT_LENGTHS.get(kind, LONGEST))
        if not 1 <= length <= LONGEST:
            self._refuse(f"{table}: length must be from 1 to {LONGEST:,}", table, "length")
        choices = given.get("choices", list(common.choices) if common else [])
        if (kind == "choice") is not bool(choices) or not all(
            isinstance(each, str) and _CHOICE.fullmatch(each) for each in choices
        ):
            self._refuse(f"{table}: choices are for the type choice, texts of letters, digits and -", table, "choices")
        bare = TemplateVariable(
            name, kind, given.get("description", common.description if common else ""), length, given.get("required", False),
            choices=tuple(choices),
        )  # fmt: skip
        values = {key: self._value(bare, given, key, table) for key in ("default", "example")}
        if common and "default" not in given:
            values["default"] = common.default
        if common and common.default and not values["default"]:
            self._refuse(f"{table}: default must not be empty", table, "default")
        if bare.required and values["default"]:
            self._refuse(f"{table}: a required variable has no default", table, "default")
        return TemplateVariable(
            name, kind, bare.description, length, bare.required, values["default"], values["example"], bare.choices
        )

    def _value(self, variable: TemplateVariable, given: Mapping[str, Any], key: str, table: str) -> str:
        try:
            return read_value(given.get(key, ""), variable)
        except ValueError as err:
            self._refuse(f"{table}: {key} {err}", table, key)

    def _require(self, given: Mapping[str, Any], known: Mapping[str, Any], table: str) -> None:
        """Refuse a key that has no meaning, or a value of the wrong type."""
        where = f"{table}: " if table else ""
        for key, value in given.items():
            if key not in known:
                self._refuse(f"{where}{key} is not known; valid are {', '.join(known)}", table, key)
            wrong_bool = isinstance(value, bool) and known[key] is int
            if wrong_bool or not isinstance(value, known[key]):
                names = {str: "a text", int: "a number", bool: "true or false", dict: "a table", list: "a list"}
                self._refuse(
                    f"{where}{key} must be {names.get(known[key], 'a text, a number or true or false')}", table, key
                )

    def _refuse(self, reason: str, table: str = "", key: str = "") -> NoReturn:
        raise BrokenTemplate(self._file, self._line(table, key), reason)

    def _line(self, table: str, key: str) -> int:
        """Find the line of a key in a table, else of the table, else the first."""
        at, found, inside = 1, 0, table == ""
        for number, line in enumerate(self._lines, 1):
            head = re.match(r"\s*\[([^\]]+)\]", line)
            if head:
                inside = re.sub(r"[\s\"']", "", head[1]) == table
                at = number if inside else at
            elif inside and key and re.match(rf"\s*[\"']?{re.escape(key)}[\"']?\s*=", line):
                found = found or number
        return found or at
