"""How a host is spelled for people: in its own script where no reader can take it for another host, else in ASCII.

Browsers judge alike: https://chromium.googlesource.com/chromium/src/+/main/docs/idn.md. This is stricter, and needs no tables.
"""

import unicodedata
from collections.abc import Callable

LATIN, CJK = "LATIN", "CJK"
# Characters that are written in several scripts, or whose name begins with another word than that of their script.
_NAMED_OTHERWISE = {"IDEOGRAPHIC": CJK, "HIRAGANA": CJK, "KATAKANA": CJK, "KATAKANA-HIRAGANA": CJK, "HANGUL": CJK}
_LETTERS_OF_THEIR_OWN = frozenset("ßæœøþð")  # no other letter looks like them; those with marks are told by their base
# Letters that look like Latin ones, after Chromium's list: a label of these alone could be an English word.
_LIKE_LATIN = frozenset("асԁеһіјӏорԗԛѕԝхуъьҽпгѵѡ" + "αικνοηρυωτχγ")


def script(character: str) -> str:
    """Return the name of a letter's script, as Unicode's names begin with it; "" for what all scripts share."""
    if character.isascii() and not character.isalpha():
        return ""
    if unicodedata.category(character)[0] not in "LM":
        return ""
    word = unicodedata.name(character, "").partition(" ")[0]
    return _NAMED_OTHERWISE.get(word, word)


def spelled(netloc: str, can_draw: Callable[[str], bool]) -> str:
    """Spell `netloc`, a host in ASCII and perhaps a port. A label stays as it is if its script cannot be drawn."""
    if "xn--" not in netloc:
        return netloc
    return ".".join(_label(label, can_draw) for label in netloc.split("."))


def _label(label: str, can_draw: Callable[[str], bool]) -> str:
    if not label.startswith("xn--"):
        return label
    try:
        text = label.removeprefix("xn--").encode().decode("punycode")
    except UnicodeError:
        return label
    found = {script(each) for each in text} - {""}
    alike = all(each in _LIKE_LATIN or not script(each) for each in text)
    plain = all(each.isalnum() or each == "-" or unicodedata.category(each)[0] == "M" for each in text)
    if len(found) != 1 or alike or not plain or (LATIN in found and not _is_plain_latin(text)):
        return label
    return text if can_draw(found.pop()) else label


def _is_plain_latin(text: str) -> bool:
    """Return whether each letter is one of ASCII with marks: no dotless i, for example."""
    bases = (unicodedata.normalize("NFD", each)[0] for each in text)
    return all(base.isascii() or base in _LETTERS_OF_THEIR_OWN for base in bases)
