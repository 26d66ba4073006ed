"""Other services' addresses, so that a template of theirs works once its host is changed. See docs/coming-from.md.

A module a service: a table of its options, and what its address and its errors look like. `reader` makes requests of them.
"""

from collections.abc import Mapping

from services import Services
from web.dialects.apiflash import APIFLASH
from web.dialects.credentials import Proof
from web.dialects.dialect import AnswerKind, InboundDialect, Spoken, Told
from web.dialects.eleventy import ELEVENTY
from web.dialects.hermesforge import HERMESFORGE
from web.dialects.microlink import MICROLINK, wants_metadata, wants_screenshot
from web.dialects.mshots import MSHOTS
from web.dialects.pagepeeker import PAGEPEEKER
from web.dialects.reader import DialectReader
from web.dialects.roots import give_prefixes
from web.dialects.screenshotapi import SCREENSHOTAPI
from web.dialects.screenshotone import SCREENSHOTONE
from web.dialects.snapapi import SNAPAPI
from web.dialects.sshot import SSHOT
from web.dialects.thumio import THUMIO
from web.dialects.urlbox import URLBOX

# SnapSharp's address is always there: see web/api/contract.py.
DIALECTS: Mapping[str, InboundDialect] = {
    each.name: each
    for each in (
        MSHOTS, THUMIO, MICROLINK, SCREENSHOTONE, URLBOX, HERMESFORGE, SNAPAPI, ELEVENTY, SSHOT, APIFLASH, SCREENSHOTAPI,
        PAGEPEEKER,
    )
}  # fmt: skip


def readers_of(services: Services) -> tuple[DialectReader, ...]:
    """Return the readers of the dialects that the operator has switched on."""
    return tuple(DialectReader(DIALECTS[name], services) for name in services.settings.dialects if name in DIALECTS)


def wants_picture(dialect: InboundDialect, spoken: Spoken) -> bool:
    """Return whether an object is about a picture: always, but for Microlink's, which may be about the page alone."""
    return dialect is not MICROLINK or wants_screenshot(spoken.words)


def wants_page(dialect: InboundDialect, spoken: Spoken) -> bool:
    """Return whether an object tells what the page says of itself, as Microlink's does."""
    return dialect is MICROLINK and wants_metadata(spoken.words)


__all__ = [
    "DIALECTS",
    "AnswerKind",
    "DialectReader",
    "InboundDialect",
    "Proof",
    "Spoken",
    "Told",
    "give_prefixes",
    "readers_of",
    "wants_page",
    "wants_picture",
]
