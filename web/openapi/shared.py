"""Errors, headers and examples that the rows of several routes share."""

from errors import (
    BlockedTarget,
    CaptureError,
    ForbiddenHost,
    InvalidOption,
    InvalidURL,
    OverCapacity,
    TakenDown,
)
from options import NOTE_HEADER, STATUS_HEADER
from web.openapi.inputs import A_PAGE

# What may be wrong with a request for a picture of a page, and what may become of it.
ABOUT_PAGE = (InvalidURL, BlockedTarget, InvalidOption, ForbiddenHost, TakenDown)
ABOUT_BODY = (413, 415)
CAPTURED = (CaptureError, OverCapacity)
NOTES = (f"{NOTE_HEADER}?", f"{STATUS_HEADER}?")
EXAMPLES = {
    "page": {"url": A_PAGE},
    "phone": {"url": A_PAGE, "device": "iphone-14", "w": 390, "format": "webp"},
    "part": {"url": A_PAGE, "clip": {"x": 0, "y": 0, "width": 800, "height": 600}, "block_ads": True},
}
