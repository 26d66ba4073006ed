"""Writes a line of text with the fonts of this machine, or else with the one that Pillow holds."""

import os
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from itertools import groupby
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, features

from images.idn import CJK, LATIN, script, spelled

_FOLDERS = ("/usr/share/fonts", "/usr/local/share/fonts", "/Library/Fonts", "/System/Library/Fonts")
# Of the packages that set-up installs, and of other systems; the first that is there is used.
_LATIN = ("LiberationSans-Regular.ttf", "NotoSans-Regular.ttf", "DejaVuSans.ttf", "Arial.ttf", "Helvetica.ttc")
_OF_SCRIPT = {
    LATIN: _LATIN,
    "GREEK": _LATIN,
    "CYRILLIC": _LATIN,
    CJK: ("NotoSansCJK-Regular.ttc", "wqy-zenhei.ttc", "Hiragino Sans GB.ttc"),
}
# Scripts whose letters stand one beside the other need no shaping.
_SIMPLE = frozenset((LATIN, "GREEK", "CYRILLIC", "ARMENIAN", "GEORGIAN", CJK))
_RIGHT_TO_LEFT = ("R", "AL")  # Hebrew and its kin, Arabic and its kin
_MARGIN = 4  # pixels around a line, for what reaches beyond its letters' boxes
ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"


def host_in_words(netloc: str) -> str:
    """Return a host as people read it, as far as there are fonts for it."""
    return spelled(netloc, _can_draw)


def line(text: str, size: int, smallest: int, most: int) -> Image.Image:
    """Draw `text` in white on black, at most `most` pixels wide: smaller if need be, then without its beginning.

    Of a host, the end says whose it is.
    """
    width = _width(text, size)
    if width > most:
        size = max(int(size * most / width), smallest)
        width = _width(text, size)
    if width > most:
        text = _end_of(text, size, most)
        width = _width(text, size)
    image = Image.new("L", (round(width) + 2 * _MARGIN, round(size * 1.4)))
    draw, left = ImageDraw.Draw(image), float(_MARGIN)
    for run, font in _runs(text, size):
        draw.text((left, round(size * 1.05)), run, 255, font, anchor="ls")
        left += font.getlength(run)
    return image


def font_of(letter: str, size: int) -> ImageFont.FreeTypeFont:
    """Return the font of this machine for the script of a letter, or else Pillow's own."""
    return _font(script(letter) or LATIN, size)


def fits(text: str, size: int, most: int) -> bool:
    return _width(text, size) <= most


def _end_of(text: str, size: int, most: int) -> str:
    first = max(len(text) - 2 * most // size, 0)  # few letters are narrower than half of their size
    while first < len(text) and _width(ELLIPSIS + text[first:], size) > most:
        first += 1
    return ELLIPSIS + text[first:]


def _width(text: str, size: int) -> float:
    return sum(font.getlength(run) for run, font in _runs(text, size))


def _runs(text: str, size: int) -> Iterable[tuple[str, ImageFont.FreeTypeFont]]:
    """Part `text` by script, since few fonts have more than one. Characters that all scripts share are in the font of Latin.

    The parts are in the order in which they stand from left to right.
    """
    if text.isascii():
        return [(text, _font(LATIN, size))]
    parts = [("".join(letters), name) for name, letters in groupby(text, lambda each: script(each) or LATIN)]
    return [(run, _font(name, size)) for run, name in _from_left_to_right(parts)]


def _from_left_to_right(parts: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Turn labels around that are read from right to left, one after the other, as browsers do (Unicode's UAX 9)."""
    ordered: list[tuple[str, str]] = []
    turned: list[tuple[str, str]] = []
    between: list[tuple[str, str]] = []  # dots: they are turned if what follows them is
    for part in parts:
        if unicodedata.bidirectional(part[0][0]) in _RIGHT_TO_LEFT:
            turned, between = [part, *reversed(between), *turned], []
        elif turned and not any(each.isalnum() for each in part[0]):
            between.append(part)
        else:
            ordered, turned, between = [*ordered, *turned, *between, part], [], []
    return [*ordered, *turned, *between]


@lru_cache(maxsize=64)
def _font(name: str, size: int) -> ImageFont.FreeTypeFont:
    path = _file_of(name)
    layout = ImageFont.Layout.BASIC if name in _SIMPLE else None  # ten times as fast
    font = ImageFont.truetype(path, size, layout_engine=layout) if path else ImageFont.load_default(size)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise TypeError("Pillow was built without FreeType")
    return font


def _can_draw(name: str) -> bool:
    shaped = name in _SIMPLE or bool(features.check_feature("raqm"))
    return shaped and (name == LATIN or _file_of(name) is not None)


def _file_of(name: str) -> Path | None:
    wanted = _OF_SCRIPT.get(name) or (f"NotoSans{name.title()}-Regular.ttf",)
    return next((found for each in wanted if (found := _files().get(each))), None)


@lru_cache(maxsize=1)
def _files() -> dict[str, Path]:
    return {
        name: Path(folder, name)
        for root in _FOLDERS
        for folder, _, names in os.walk(root)
        for name in names
        if name.endswith((".ttf", ".ttc", ".otf"))
    }
