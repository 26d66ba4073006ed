"""What pages say of themselves: title, description, icon, preview picture. Knows no HTTP."""

from metadata.fetching import PictureFetcher
from metadata.icons import SIDE, USUAL_SIDE, Icons, PageIcon
from metadata.networks import NETWORKS
from metadata.picture_store import ICON, PictureStore
from metadata.previews import PreviewFetcher
from metadata.reader import MetadataReader
from metadata.share_check import PICTURE_TAGS, Layout, Severity, ShareCard, ShareCheck, SharedPage, check
from metadata.share_reader import SHARED, ShareReader
from metadata.values import Metadata, Source

__all__ = [
    "ICON",
    "NETWORKS",
    "PICTURE_TAGS",
    "SHARED",
    "SIDE",
    "USUAL_SIDE",
    "Icons",
    "Layout",
    "Metadata",
    "MetadataReader",
    "PageIcon",
    "PictureFetcher",
    "PictureStore",
    "PreviewFetcher",
    "Severity",
    "ShareCard",
    "ShareCheck",
    "ShareReader",
    "SharedPage",
    "Source",
    "check",
]
