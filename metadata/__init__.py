"""What pages say of themselves: title, description, icon, preview picture. Knows no HTTP."""

from metadata.fetching import PictureFetcher
from metadata.icon_store import IconStore
from metadata.icons import SIDE, USUAL_SIDE, Icons, PageIcon
from metadata.previews import PreviewFetcher
from metadata.reader import MetadataReader
from metadata.values import Metadata, Source

__all__ = [
    "SIDE",
    "USUAL_SIDE",
    "IconStore",
    "Icons",
    "Metadata",
    "MetadataReader",
    "PageIcon",
    "PictureFetcher",
    "PreviewFetcher",
    "Source",
]
