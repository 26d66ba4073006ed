"""What to do about a name that is no option."""

import difflib
from collections.abc import Collection

from options.appended import CACHE_BUSTERS, is_tracker

LEAVE_OUT = "leave it out"
# Parameters that programs append so that no cache answers. `v` and `_` are ignored where they mean the browser's own cache.
_BUSTING = CACHE_BUSTERS | {"ver", "version", "t", "ts", "time", "timestamp", "r", "rand", "random", "cb", "nocache"} | {
    "cachebust", "cachebuster", "cache_bust", "cache_buster", "refresh",
}  # fmt: skip


def nearest_advice(name: str, known: Collection[str]) -> str:
    """Suggest the option that `name` resembles, in any case; "" if there is none."""
    if is_tracker(name):
        return ""
    nearest = difflib.get_close_matches(name.lower(), known, n=1)
    return f"did you mean {nearest[0]}?" if nearest else ""


def query_advice(name: str, known: Collection[str], *, unencoded: bool = False) -> str:
    """Say what to do about the parameter `name` of a query. `unencoded` says that the page's URL seems to be its owner."""
    if name.startswith("amp;"):
        return "write & instead of &amp;"
    if not unencoded:
        if nearest := nearest_advice(name, known):
            return nearest
        if name.lower() in _BUSTING:
            return f"{LEAVE_OUT}; ttl and fresh say how old a picture may be, and v may hold a number for the browser's cache"
    return (
        "if it belongs to the page's URL, percent-encode that URL as a whole, or write /t/w=320/ and the URL as it is; "
        "else leave it out"
    )
