"""What callers learn of a page: what it says of itself, judged, and the colours of its picture."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from options import LinkedFeed, LinkedPicture
from thumbnails import Served


class Source(StrEnum):
    """Where the metadata come from. A hosted screenshot API gives a picture alone, so only its colours are known."""

    PAGE = "page"
    PICTURE = "picture"


@dataclass(frozen=True, slots=True)
class Metadata:
    """What is known of the page `url`. An empty value means that the page does not say it, or nothing usable.

    Each URL is one that the guard lets pass: http or https, and no internal address. `share` are the tags that
    networks read, as the page writes them: nobody has judged URLs in them. The `palette` are the main colours of
    the picture, such as #1f6feb, the commonest first. `served` is the captured page with the state of the cache, for the
    headers of an answer.
    """

    url: str
    source: Source
    served: Served
    palette: tuple[str, ...] = ()
    final_url: str = ""
    status: int = 0
    title: str = ""
    description: str = ""
    site_name: str = ""
    author: str = ""
    published: str = ""
    language: str = ""
    theme_color: str = ""
    canonical: str = ""
    favicon: str = ""
    image: LinkedPicture | None = None
    feeds: tuple[LinkedFeed, ...] = ()
    share: tuple[tuple[str, str], ...] = ()

    @property
    def captured_at(self) -> datetime:
        return self.served.picture.captured_at
