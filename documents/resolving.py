"""Finds the document that a target names, by its scheme."""

from collections.abc import Callable, Mapping
from typing import Any

from errors import DocumentGone
from options import CaptureOptions, Document, Target

Source = Callable[[Target], Document]
NOTHING_BLOCKED = {"block_ads": False, "block_cookie_banners": False, "block_chats": False}


class Documents:
    def __init__(self, sources: Mapping[str, Source]) -> None:
        """`sources` are by the scheme of a target. A source raises a CaptureError if there is no such document."""
        self._sources = sources

    def html_of(self, target: Target) -> Document:
        """Return the document that `target` names. Raises what its source raises, and DocumentGone without a source."""
        source = self._sources.get(target.scheme)
        if source is None:
            raise DocumentGone(f"nothing here draws a {target.scheme}")
        return source(target)


def as_written(target: Target, **options: Any) -> CaptureOptions:
    """Return the options of a capture that shows a document as it was written: nothing in it is blocked or hidden."""
    return CaptureOptions(target, **NOTHING_BLOCKED | options)
