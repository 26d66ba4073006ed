"""Values that are more than a word or a number: read from JSON, or from the text of a query. Pure.

A reader returns the value, or raises ValueError with words that complete "must be …". Those name no value of a caller:
scripts, headers and cookies are secrets.
"""

import re

LONGEST_CODE = 64 << 10  # characters
FARTHEST = 65_535  # CSS pixels


def read_code(value: object, words: str) -> str | None:
    """Read a style sheet or a script; an empty one is none."""
    # A surrogate that stands alone is no text: the browser would not answer a message that contains one.
    if not isinstance(value, str) or len(value) > LONGEST_CODE or re.search("[\0\ud800-\udfff]", value):
        raise ValueError(words)
    return value if value.strip() else None
