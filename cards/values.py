"""How the value of a variable is read, for each type that a template may give it. All raise ValueError with the valid values."""

import base64
import binascii
import math
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from urllib.parse import urlsplit

from cards.colours import read_colour
from cards.writing import read_language

LONGEST = 5_000  # characters of a text, whatever its template says
LONGEST_URL = 2_000
LONGEST_PICTURE = 400_000  # characters of a data: URI
# Embeddings, overrides and isolates reach beyond their text, and are seen in nothing else. Marks (U+200E, U+200F, U+061C) stay.
_STEERING = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0xFEFF])
_TRUE, _FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off", "")
_NUMBER = re.compile(r"[+-]?[0-9]{1,15}(\.[0-9]{1,10})?")
_DATA = re.compile(r"data:image/(png|jpeg|webp|gif|avif|svg\+xml);base64,([A-Za-z0-9+/]+={0,2})")


@dataclass(frozen=True, slots=True)
class TemplateVariable:
    """A variable of a template. `length` limits texts, in characters. `choices` are the values of a choice."""

    name: str
    type: str
    description: str = ""
    length: int = LONGEST
    required: bool = False
    default: str = ""
    example: str = ""
    choices: tuple[str, ...] = ()


def _plain(given: str, variable: TemplateVariable) -> str:
    """Compose letters (NFC), drop what steers other texts' direction, and refuse what no text has."""
    if len(given) > 2 * variable.length + 100:  # before anything that costs time
        raise ValueError(f"must have at most {variable.length:,} characters")
    text = unicodedata.normalize("NFC", given).translate(_STEERING)
    if any(_is_no_text(letter) for letter in text):
        raise ValueError("must not contain control characters, halves of a surrogate pair or noncharacters")
    return text


def _is_no_text(letter: str) -> bool:
    code = ord(letter)
    is_noncharacter = code & 0xFFFE == 0xFFFE or 0xFDD0 <= code <= 0xFDEF
    return is_noncharacter or (unicodedata.category(letter) in ("Cc", "Cs") and letter not in "\n\t\r")


def _bounded(text: str, variable: TemplateVariable) -> str:
    if len(text) > variable.length:
        raise ValueError(f"must have at most {variable.length:,} characters")
    return text


def _text(given: str, variable: TemplateVariable) -> str:
    return _bounded(" ".join(_plain(given, variable).split()), variable)


def _long_text(given: str, variable: TemplateVariable) -> str:
    lines = (" ".join(line.split()) for line in _plain(given, variable).splitlines())
    return _bounded(re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip("\n"), variable)


def _number(given: str, _: TemplateVariable) -> str:
    text = given.strip()
    if not _NUMBER.fullmatch(text):
        raise ValueError("must be a number such as 12 or 4.5")
    plain = f"{Decimal(text) + 0:f}"  # + 0 makes -0 the 0
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


def _date(given: str, _: TemplateVariable) -> str:
    text = given.strip()
    begins_a_time = text[10:11] in ("", "T", " ")
    try:
        return date.fromisoformat(text[:10] if begins_a_time else text).isoformat()
    except ValueError:
        raise ValueError("must be a date such as 2026-01-31") from None


def _url(given: str, _: TemplateVariable) -> str:
    text = given.strip()
    wrong = "must be an http:// or https:// URL"
    if len(text) > LONGEST_URL:
        raise ValueError(f"must have at most {LONGEST_URL:,} characters")
    if any(letter.isspace() or letter in "\\<>\"'`" or not letter.isprintable() for letter in text):
        raise ValueError(wrong)
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or "@" in parts.netloc:
        raise ValueError(f"{wrong}, without a user name")
    return text


def _image(given: str, variable: TemplateVariable) -> str:
    text = given.strip()
    if text[:5].lower() != "data:":
        return _url(text, variable)
    if len(text) > LONGEST_PICTURE:
        raise ValueError(f"must have at most {LONGEST_PICTURE:,} characters")
    found = _DATA.fullmatch(text)
    try:
        base64.b64decode(found[2] if found else "!", validate=True)
    except binascii.Error:
        raise ValueError(
            "must be an http:// or https:// URL, or data:image/png;base64,… (jpeg, webp, gif, avif, svg+xml)"
        ) from None
    return text


def _choice(given: str, variable: TemplateVariable) -> str:
    text = given.strip()
    if text not in variable.choices:
        raise ValueError(f"must be one of {', '.join(variable.choices)}")
    return text


def _boolean(given: str, _: TemplateVariable) -> str:
    text = given.strip().lower()
    if text not in _TRUE + _FALSE:
        raise ValueError("must be 1 or 0")
    return "1" if text in _TRUE else "0"


TYPES: Mapping[str, Callable[[str, TemplateVariable], str]] = {
    "text": _text,
    "long text": _long_text,
    "number": _number,
    "date": _date,
    "url": _url,
    "image": _image,
    "thumbnail": _url,
    "colour": lambda given, _: read_colour(given),
    "choice": _choice,
    "boolean": _boolean,
    "language": lambda given, _: read_language(given),
}
DEFAULT_LENGTHS = {"text": 300, "long text": 2_000}
# Values of these types consist of letters, digits, # - . only, so they may stand in a style. A choice is its author's.
STYLE_TYPES = frozenset({"number", "colour", "boolean", "date", "choice", "language"})
URL_TYPES = frozenset({"image"})
THUMBNAIL = "thumbnail"


def read_value(given: object, variable: TemplateVariable) -> str:
    """Read a value: a text, a number or a boolean, as queries and JSON hold them. "" is a value that is left out.

    Returns the canonical text. Raises ValueError with the valid values.
    """
    if isinstance(given, bool):
        given = "1" if given else "0"
    # Python reads NaN and Infinity from JSON, and YAML has them.
    if isinstance(given, int) or (isinstance(given, float | Decimal) and math.isfinite(given)):
        given = str(given)
    if not isinstance(given, str):
        raise ValueError("must be a text, a number or true or false")  # noqa: TRY004 - one error for all that is refused
    if not given.strip():
        return ""
    return TYPES[variable.type](given, variable)
