"""The headers of responses, each described once."""

from collections.abc import Mapping
from types import MappingProxyType

from capture import DIALECTS as SCREENSHOT_APIS
from options import NOTE_HEADER, NOTES, STATUS_HEADER
from thumbnails import CacheState
from web.http.pictures import CAPTURED_BY
from web.openapi.row import JSONSchema

_TEXT: JSONSchema = {"type": "string"}
_COUNT: JSONSchema = {"type": "integer", "minimum": 0}
_STATUS: JSONSchema = {"type": "integer", "minimum": 100, "maximum": 599}
_NOTE = f"({'|'.join(NOTES)})=[0-9]+"

# name → meaning, and schema of the value
HEADERS: Mapping[str, tuple[str, JSONSchema]] = MappingProxyType(
    {
        "Allow": ("The methods of this path.", _TEXT),
        "Cache-Control": ("Which caches may keep the response, and for how long.", _TEXT),
        "Content-Security-Policy": ("What the document may load, and who may frame it.", _TEXT),
        "Content-Disposition": ("The name under which a browser saves the file.", _TEXT),
        "ETag": ("Names these bytes. Send it in `If-None-Match` to get a 304, or of a site in `If-Match`.", _TEXT),
        "Last-Modified": ("When the page was captured.", _TEXT),
        "Location": ("The path of what was made.", _TEXT),
        "Preference-Applied": ("The preference that was followed.", {"const": "respond-async"}),
        "RateLimit-Limit": ("The budget that the request was charged to.", _COUNT),
        "RateLimit-Remaining": ("What is left of it.", _COUNT),
        "RateLimit-Reset": ("In how many seconds it renews.", _COUNT),
        "Referrer-Policy": ("The card tells no site where it was shown.", {"const": "no-referrer"}),
        "Refresh": (
            "In how many seconds a browser loads the document again.",
            {"type": "string", "pattern": "^[0-9]+$"},
        ),
        "Retry-After": ("Wait at least so many seconds before the next request.", _COUNT),
        "Server-Timing": (
            "That it is worth asking again, and after how many milliseconds: for scripts of a page with an `<img>`.",
            {"type": "string", "pattern": r"^thumb;dur=[0-9]+$"},
        ),
        "Vary": ("The request headers on which the response depends.", _TEXT),
        "WWW-Authenticate": ("How to send an API key.", {"const": "Bearer"}),
        "X-Cache": (
            "Where the picture came from: the cache, a capture, an older one of the cache, or no cache could be reached.",
            {"enum": [str(each) for each in CacheState]},
        ),
        CAPTURED_BY: ("The screenshot API that took the picture.", {"enum": sorted(SCREENSHOT_APIS)}),
        "X-Error-Code": ("With a placeholder: the code of the error.", _TEXT),
        STATUS_HEADER: ("The HTTP status of the page, if it answered with an error.", _STATUS),
        "X-RateLimit-Limit": ("The caller's budget of captures.", _COUNT),
        "X-RateLimit-Remaining": ("What is left of it.", _COUNT),
        "X-RateLimit-Reset": ("The Unix time at which it renews.", _COUNT),
        "X-Request-ID": ("The id of the request in the log. The caller may choose it.", _TEXT),
        "X-Icon": ("Whether the icon is the page's own.", {"enum": ["page", "letter"]}),
        NOTE_HEADER: (
            "What the picture does not show, if anything.",
            {"type": "string", "pattern": rf"^{_NOTE}(, {_NOTE})*$"},
        ),
        "X-Thumb-State": (
            "Whether the picture is fresh or stale; or a placeholder, for a capture in progress or for an error.",
            {"enum": ["fresh", "stale", "pending", "error"]},
        ),
    }
)
BUDGET = ("RateLimit-Limit?", "RateLimit-Remaining?", "RateLimit-Reset?")
CONTRACTS_BUDGET = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")
PENDING = ("Retry-After", "Server-Timing?")
PICTURE = (
    "ETag",
    "Cache-Control",
    "X-Cache",
    f"{CAPTURED_BY}?",
    "X-Thumb-State",
    f"{NOTE_HEADER}?",
    f"{STATUS_HEADER}?",
)
