"""What social networks and chats show of a shared link, a row for each network. Pure.

The networks document their rules in part. Where they do not, the row follows what their cards are seen to do, so a card is
how a network is expected to show a link and no promise. Sources, by network:

- Facebook: https://developers.facebook.com/docs/sharing/webmasters and its page on images
- X: https://developer.x.com/en/docs/x-for-websites/cards/overview/markup
- LinkedIn: https://www.linkedin.com/help/linkedin/answer/a521928
- Slack: https://api.slack.com/robots and https://medium.com/slack-developer-blog/unfurling-links
- Discord: observed
- WhatsApp: https://developers.facebook.com/docs/whatsapp/link-previews
"""

from dataclasses import dataclass
from enum import StrEnum

LARGE_CARD = "summary_large_image"
CARDS = ("summary", LARGE_CARD, "app", "player")  # of `twitter:card`
_KB, _MB = 1000, 1_000_000
_WIDE = 1200 / 630


class LargeBy(StrEnum):
    """What makes a network show a large picture."""

    SIZE = "size"  # the picture's own size
    CARD = "card"  # `twitter:card` asks for it
    DEFAULT = "default"  # `twitter:card` does not ask for a small one


@dataclass(frozen=True, slots=True)
class Network:
    """How one network makes a card. Each list of tags begins with the one that it prefers.

    `longest_title` and `longest_description` are the characters after which it cuts, 0 for what it does not show at all.
    `least` is the smallest picture that it shows, `large` the smallest that it shows large (pixels). A large picture is
    cut to `shape` (width by height), 0 for one that is shown whole. `describes_large`: the description stands below a large
    picture too.
    """

    name: str
    titles: tuple[str, ...]
    descriptions: tuple[str, ...]
    pictures: tuple[str, ...]
    longest_title: int
    longest_description: int
    least: tuple[int, int]
    large: tuple[int, int]
    large_by: LargeBy
    shape: float
    most_bytes: int
    formats: tuple[str, ...]
    describes_large: bool = True
    widest: float = 0  # width by height of the widest picture that it shows, 0 for any
    names_site: bool = False  # by `og:site_name`; else by the host


_OPEN_GRAPH = ("og:title", "title"), ("og:description", "description"), ("og:image",)
_X_FIRST = (
    ("twitter:title", "og:title", "title"),
    ("twitter:description", "og:description", "description"),
    ("twitter:image", "og:image"),
)
_OPEN_GRAPH_FIRST = (
    ("og:title", "twitter:title", "title"),
    ("og:description", "twitter:description", "description"),
    ("og:image", "twitter:image"),
)

NETWORKS = (
    Network(
        "Facebook",
        *_OPEN_GRAPH,
        longest_title=100,
        longest_description=110,
        least=(200, 200),
        large=(600, 315),
        large_by=LargeBy.SIZE,
        shape=_WIDE,
        most_bytes=8 * _MB,
        formats=("JPEG", "PNG", "GIF", "WEBP"),
    ),
    Network(
        "X",
        *_X_FIRST,
        longest_title=70,
        longest_description=200,
        least=(144, 144),
        large=(300, 157),
        large_by=LargeBy.CARD,
        shape=2.0,
        most_bytes=5 * _MB,
        formats=("JPEG", "PNG", "GIF", "WEBP"),
        describes_large=False,
    ),
    Network(
        "LinkedIn",
        *_OPEN_GRAPH,
        longest_title=150,
        longest_description=0,
        least=(200, 200),
        large=(401, 210),
        large_by=LargeBy.SIZE,
        shape=_WIDE,
        most_bytes=5 * _MB,
        formats=("JPEG", "PNG", "GIF", "WEBP"),
    ),
    Network(
        "Slack",
        *_OPEN_GRAPH_FIRST,
        longest_title=300,
        longest_description=700,
        least=(1, 1),
        large=(1, 1),
        large_by=LargeBy.DEFAULT,
        shape=0,
        most_bytes=20 * _MB,
        formats=("JPEG", "PNG", "GIF", "WEBP"),
        names_site=True,
    ),
    Network(
        "Discord",
        *_OPEN_GRAPH_FIRST,
        longest_title=256,
        longest_description=350,
        least=(1, 1),
        large=(1, 1),
        large_by=LargeBy.CARD,
        shape=0,
        most_bytes=8 * _MB,
        formats=("JPEG", "PNG", "GIF", "WEBP", "AVIF"),
        names_site=True,
    ),
    Network(
        "WhatsApp",
        *_OPEN_GRAPH,
        longest_title=80,
        longest_description=80,
        least=(100, 100),
        large=(300, 157),
        large_by=LargeBy.SIZE,
        shape=_WIDE,
        most_bytes=600 * _KB,
        formats=("JPEG", "PNG", "WEBP"),
        widest=4.0,
    ),
)
