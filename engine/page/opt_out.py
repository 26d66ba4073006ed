"""How a page asks not to be shown: `X-Thumbnails: none`, or `<meta name="thumbnails" content="none">`. Pure.

Only the page that is shown counts: neither where it was redirected from, nor what is in its frames.
"""

import re
from collections.abc import Iterable, Mapping

_HEADER = "x-thumbnails"


def is_none(value: str) -> bool:
    """Return whether `none` is one of the words of a header or a meta tag, in whatever case."""
    return "none" in re.split(r"[\s,;]+", value.lower())


def in_headers(headers: Iterable[Mapping[str, str]]) -> bool:
    """Read the headers of an answer, as the DevTools protocol lists them."""
    return any(each["name"].lower() == _HEADER and is_none(each["value"]) for each in headers)
