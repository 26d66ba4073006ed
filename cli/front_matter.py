"""Reads the front matter of a page as Hugo, Jekyll, Eleventy and Astro write it: YAML, TOML or JSON before the text."""

import json
import re
import tomllib
from datetime import date, datetime
from pathlib import Path
from typing import Any

import yaml

_YAML = re.compile(r"---[ \t]*\r?\n(.*?)^(?:---|\.\.\.)[ \t]*\r?$", re.DOTALL | re.MULTILINE)
_TOML = re.compile(r"(?:\+\+\+|---toml)[ \t]*\r?\n(.*?)^(?:\+\+\+|---)[ \t]*\r?$", re.DOTALL | re.MULTILINE)
_JSON = re.compile(r"---json[ \t]*\r?\n(.*?)^---[ \t]*\r?$", re.DOTALL | re.MULTILINE)
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class BadFrontMatter(Exception):
    """The front matter of a page cannot be read. The text names the line."""


def read_front_matter(file: Path) -> dict[str, Any]:
    """Return the fields of a page; none if it has no front matter.

    Raises BadFrontMatter and OSError.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise BadFrontMatter("must be UTF-8") from None
    try:
        fields = _decoded(text)
    except yaml.MarkedYAMLError as err:
        line = f"line {err.problem_mark.line + 2}: " if err.problem_mark else ""
        raise BadFrontMatter(f"{line}{err.problem or 'invalid YAML'}") from None
    except (yaml.YAMLError, tomllib.TOMLDecodeError, json.JSONDecodeError, RecursionError, ValueError) as err:
        raise BadFrontMatter(str(err).splitlines()[0]) from None
    if not isinstance(fields, dict):
        raise BadFrontMatter("must be a mapping of fields to values")
    return {str(name): value for name, value in fields.items()}


def _decoded(text: str) -> Any:
    if found := _TOML.match(text):
        return tomllib.loads(found[1].replace("\r\n", "\n"))
    if found := _JSON.match(text):
        return json.loads(found[1])
    if found := _YAML.match(text):
        return yaml.load(found[1], _LOADER) or {}  # noqa: S506 - a safe loader, in C where there is one
    if text.startswith("{"):  # Hugo's JSON has no marks
        return json.JSONDecoder().raw_decode(text)[0]
    return {}


def text_of(value: object) -> str | bool | float | None:
    """Return a value of front matter as a variable of a card: lists joined, a date as ISO writes it, a person's name."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case datetime() | date():
            return value.isoformat()
        case list():
            return ", ".join(str(text_of(each)) for each in value if each is not None)
        case dict():
            name = value.get("name", value.get("title", value.get("src", value.get("url"))))
            return text_of(name) if name is not None else None
        case _:
            return str(value)
