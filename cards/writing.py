"""In which language, and from which side, a text is written, as far as its letters tell.

Browsers choose glyphs, breaks of lines and the look of dates by it.
"""

import re
import unicodedata
from collections import Counter

# The script of a letter is the first word of its name in Unicode. Latin, Cyrillic and Greek say nothing of the language.
_LANGUAGES = {
    "HIRAGANA": "ja",
    "KATAKANA": "ja",
    "HANGUL": "ko",
    "ARABIC": "ar",
    "HEBREW": "he",
    "THAI": "th",
    "DEVANAGARI": "hi",
    "BENGALI": "bn",
    "TAMIL": "ta",
    "TELUGU": "te",
    "GUJARATI": "gu",
    "GURMUKHI": "pa",
    "KANNADA": "kn",
    "MALAYALAM": "ml",
    "SINHALA": "si",
    "MYANMAR": "my",
    "KHMER": "km",
    "LAO": "lo",
    "ETHIOPIC": "am",
    "GEORGIAN": "ka",
    "ARMENIAN": "hy",
    "GREEK": "el",
    "CYRILLIC": "ru",
}
_TAG = re.compile(r"[a-z]{2,3}(-[a-z]{4})?(-([a-z]{2}|[0-9]{3}))?", re.IGNORECASE)
_LOOKED_AT = 2_000  # letters


def read_language(given: str) -> str:
    """Read a language tag of BCP 47: language, script and region. Raises ValueError."""
    text = given.strip().replace("_", "-")
    if _TAG.fullmatch(text) is None:
        raise ValueError("must be a language such as en, pt-BR or zh-Hant")
    language, *rest = text.split("-")
    return "-".join([language.lower(), *(part.title() if len(part) == 4 else part.upper() for part in rest)])


def language_of(text: str) -> str:
    """Guess the language of `text` from its letters: a tag of BCP 47, `en` for Latin letters.

    Chinese characters are Japanese beside any kana, and Chinese otherwise.
    """
    counts = Counter(unicodedata.name(letter, "").partition(" ")[0] for letter in text[:_LOOKED_AT] if letter.isalpha())
    kana = counts["HIRAGANA"] + counts["KATAKANA"]
    if kana and kana + counts["CJK"] >= counts["LATIN"] / 4:
        return "ja"
    counts["CJK"] *= 2  # a character is about a word
    script = max(counts, key=lambda name: counts[name], default="LATIN")
    return "zh" if script == "CJK" else _LANGUAGES.get(script, "en")


def direction_of(text: str) -> str:
    """Return `rtl` or `ltr`, as most letters of `text` are written."""
    kinds = Counter(map(unicodedata.bidirectional, text[:_LOOKED_AT]))
    return "rtl" if kinds["R"] + kinds["AL"] > kinds["L"] else "ltr"
