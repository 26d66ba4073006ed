"""Shows a document in place of a page: the browser asks for a page that nobody serves, and gets the document.

So a document loads, settles and is drawn as a page is. Its address has a top-level domain that no one can register (RFC 2606):
what the document names relative to it is refused, as is everything without a network.
"""

import base64
from collections.abc import Mapping
from typing import Any

from options import Document, Target

PLACE = Target("http://document.invalid/", "document.invalid", 80)
PATTERN = {"urlPattern": "*", "resourceType": "Document"}  # of frames too, which are let through
_HEADERS = (
    ("Content-Type", "text/html; charset=utf-8"),
    ("Cache-Control", "no-store"),
    ("Referrer-Policy", "no-referrer"),  # others need not know the address of the document
)


def asks_for_it(event: Mapping[str, Any]) -> bool:
    """Return whether `Fetch.requestPaused`, of the main frame, is about the document, and not about where it leads."""
    request = event["request"]
    return bool(request["url"].partition("#")[0] == PLACE.url and request["method"] == "GET")


def answer(document: Document) -> dict[str, Any]:
    """Return the parameters of `Fetch.fulfillRequest` that give the browser the document."""
    return {
        "responseCode": 200,
        "responseHeaders": [{"name": name, "value": value} for name, value in _HEADERS],
        "body": base64.b64encode(document.html.encode()).decode(),
    }
