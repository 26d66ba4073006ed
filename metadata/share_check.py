"""What a shared link looks like in each network, and what is the matter with it: from the page's tags and pictures. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import groupby
from urllib.parse import urlsplit

from images.idn import spelled
from metadata.networks import CARDS, LARGE_CARD, NETWORKS, LargeBy, Network

PICTURE_TAGS = ("og:image", "twitter:image")
_MUCH = 0.2  # of a picture, from which a cut is worth a word
_USUAL = "1200 × 630"


class Severity(StrEnum):
    """How much a finding matters: a card lacks something, a card could be better, or it is good to know."""

    BAD = "bad"
    WARN = "warn"
    NOTE = "note"


class Layout(StrEnum):
    """Where a card has its picture: above or below the words, beside them, or nowhere."""

    LARGE = "large"
    SMALL = "small"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class SharePicture:
    """A picture that a page names: its file as it was fetched. `problem` says why there is none, "" if there is one."""

    format: str = ""
    width: int = 0
    height: int = 0
    bytes: int = 0
    problem: str = ""


@dataclass(frozen=True, slots=True)
class SharedPage:
    """What is known of a page: its `tags` as it writes them, and by tag the pictures that were fetched."""

    url: str
    status: int = 200
    tags: Mapping[str, str] = field(default_factory=dict)
    pictures: Mapping[str, SharePicture] = field(default_factory=dict)
    theme_color: str = ""
    guessed: str = ""  # why the tags are not those of the page, as a sentence; "" if they are

    def first(self, names: Iterable[str]) -> str:
        """Return the first of the tags `names` that the page fills, "" if it fills none."""
        return next((name for name in names if self.tags.get(name)), "")

    @property
    def host(self) -> str:
        return spelled(_host(self.url).removeprefix("www."), lambda _script: True)


@dataclass(frozen=True, slots=True)
class ShareFinding:
    """One thing that is the matter, as a sentence, with the tag that it is about and the networks that it concerns."""

    level: Severity
    tag: str
    text: str
    networks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ShareCard:
    """What `network` shows. `picture` is the tag that names its picture, cut to `shape` (width by height, 0: whole)."""

    network: str
    layout: Layout
    title: str
    description: str
    site: str
    picture: str = ""
    shape: float = 0
    colour: str = ""


@dataclass(frozen=True, slots=True)
class ShareCheck:
    cards: tuple[ShareCard, ...]
    findings: tuple[ShareFinding, ...]


def check(page: SharedPage) -> ShareCheck:
    """Say what each network shows of `page`, and what is the matter, the worst first."""
    order = list(Severity)
    return ShareCheck(
        tuple(card_of(network, page) for network in NETWORKS),
        tuple(sorted(_findings(page), key=lambda each: order.index(each.level))),
    )


def _findings(page: SharedPage) -> Iterable[ShareFinding]:
    if page.guessed:  # nothing can be said of tags that are not the page's
        yield ShareFinding(Severity.WARN, "", page.guessed)
        return
    yield from _about_page(page)
    yield from _about_words(page)
    yield from _about_card(page)
    for tag in PICTURE_TAGS:
        yield from _about_picture(page, tag)


def card_of(network: Network, page: SharedPage) -> ShareCard:
    """Return the card that `network` makes of `page`."""
    tag = page.first(network.pictures)
    layout = _layout(network, page, tag)
    told = network.longest_description if network.describes_large or layout is not Layout.LARGE else 0
    return ShareCard(
        network.name,
        layout,
        _cut(page.tags.get(page.first(network.titles), ""), network.longest_title) or page.host,
        _cut(page.tags.get(page.first(network.descriptions), ""), told),
        (page.tags.get("og:site_name") if network.names_site else "") or page.host,
        "" if layout is Layout.TEXT else tag,
        network.shape if layout is Layout.LARGE else 0 if layout is Layout.TEXT else 1,
        page.theme_color,
    )


def _layout(network: Network, page: SharedPage, tag: str) -> Layout:
    picture = page.pictures.get(tag)
    if picture is None or _refusal(network, picture):
        return Layout.TEXT
    card = page.tags.get("twitter:card", "")
    by_tag = {
        LargeBy.SIZE: True,
        LargeBy.CARD: card == LARGE_CARD,
        LargeBy.DEFAULT: card != "summary",
    }[network.large_by]
    large = picture.width >= network.large[0] and picture.height >= network.large[1]
    return Layout.LARGE if by_tag and large else Layout.SMALL


def _refusal(network: Network, picture: SharePicture) -> str:
    """Return why `network` shows no such picture, "" if it does."""
    size = f"{picture.width} × {picture.height}"
    if picture.problem:
        return picture.problem
    if picture.format not in network.formats:
        return f"is {picture.format.lower()}, which is not shown"
    if picture.width < network.least[0] or picture.height < network.least[1]:
        return f"is too small with {size} pixels: it needs {network.least[0]} × {network.least[1]}"
    if picture.bytes > network.most_bytes:
        return f"is too heavy with {_size(picture.bytes)}: the most is {_size(network.most_bytes)}"
    if network.widest and picture.width > network.widest * picture.height:
        return f"is too wide with {size} pixels: the most is {network.widest:g} to 1"
    return ""


def _about_page(page: SharedPage) -> Iterable[ShareFinding]:
    if page.status >= 400:
        yield ShareFinding(
            Severity.BAD, "", f"The page answers with status {page.status}: networks show no card of an error."
        )
    named = page.tags.get("og:url", "")
    if named and not is_whole(named):
        yield ShareFinding(Severity.WARN, "og:url", "og:url is not a whole URL; write it with https:// and host.")
    elif named and (host := _host(named)) != _host(page.url):
        yield ShareFinding(
            Severity.NOTE,
            "og:url",
            f"og:url leads to {host}: networks may read that page instead of this one.",
            ("Facebook", "LinkedIn"),
        )


def _about_words(page: SharedPage) -> Iterable[ShareFinding]:
    tags = page.tags
    if not page.first(("og:title", "twitter:title", "title")):
        yield ShareFinding(Severity.BAD, "og:title", "The page has no title: cards show its host.")
    elif not tags.get("og:title"):
        yield ShareFinding(Severity.WARN, "og:title", "og:title is missing: the title of the page stands in for it.")
    if not page.first(("og:description", "twitter:description", "description")):
        yield ShareFinding(Severity.WARN, "og:description", "og:description is missing: cards have a title alone.")
    elif not tags.get("og:description"):
        yield ShareFinding(
            Severity.NOTE, "og:description", "og:description is missing: the page's description stands in for it."
        )
    for what, names, longest in (
        ("title", "titles", "longest_title"),
        ("description", "descriptions", "longest_description"),
    ):
        cut = [
            (page.first(getattr(each, names)), getattr(each, longest), each.name)
            for each in NETWORKS
            if 0 < getattr(each, longest) < len(tags.get(page.first(getattr(each, names)), ""))
        ]
        for tag, group in groupby(sorted(cut), lambda each: each[0]):
            limits = [(most, name) for _, most, name in group]
            where = ", ".join(f"{most} in {name}" for most, name in limits)
            text = f"The {what} has {len(tags[tag])} characters, and is cut after about {where}."
            yield ShareFinding(Severity.NOTE, tag, text, tuple(name for _, name in limits))


def _about_card(page: SharedPage) -> Iterable[ShareFinding]:
    card = page.tags.get("twitter:card", "")
    asked = tuple(each.name for each in NETWORKS if each.large_by is LargeBy.CARD)
    if not card:
        text = f"twitter:card is missing: the picture is shown small. Set it to {LARGE_CARD} for a large one."
        yield ShareFinding(Severity.WARN, "twitter:card", text, asked)
    elif card not in CARDS:
        yield ShareFinding(
            Severity.WARN, "twitter:card", f"twitter:card is “{card[:40]}”; X knows {', '.join(CARDS)}.", asked
        )
    elif card == "summary":
        text = f"twitter:card is summary: the picture is shown small. {LARGE_CARD} shows it large."
        yield ShareFinding(Severity.NOTE, "twitter:card", text, (*asked, "Slack"))


def _about_picture(page: SharedPage, tag: str) -> Iterable[ShareFinding]:
    readers = [each for each in NETWORKS if page.first(each.pictures) == tag]
    written, names = page.tags.get(tag, ""), tuple(each.name for each in readers)
    if not written:
        if tag == "og:image":
            without = tuple(each.name for each in NETWORKS if not page.first(each.pictures))
            text = "og:image is missing: no picture is shown."
            yield ShareFinding(Severity.BAD, tag, f"{text} A good one has {_USUAL} pixels.", without)
        return
    if not readers:
        return
    if not is_whole(written):
        text = f"{tag} is no whole URL, but “{written[:80]}”: write it with https:// and host."
        yield ShareFinding(Severity.BAD, tag, text, names)
        return
    if written.lower().startswith("http:") and not page.tags.get("og:image:secure_url", "").startswith("https:"):
        yield ShareFinding(Severity.WARN, tag, f"{tag} is an http:// URL: pages by https may not show it.", names)
    picture = page.pictures.get(tag)
    if picture is None:
        return
    if picture.problem:
        yield ShareFinding(Severity.BAD, tag, f"The picture of {tag} {picture.problem}.", names)
        return
    yield from _about_file(readers, picture, tag)
    yield from _about_size(page, readers, picture, tag)


def _about_file(readers: list[Network], picture: SharePicture, tag: str) -> Iterable[ShareFinding]:
    refused = sorted((reason, each.name) for each in readers if (reason := _refusal(each, picture)))
    for reason, group in groupby(refused, lambda each: each[0]):
        yield ShareFinding(Severity.BAD, tag, f"The picture of {tag} {reason}.", tuple(name for _, name in group))


def _about_size(page: SharedPage, readers: list[Network], picture: SharePicture, tag: str) -> Iterable[ShareFinding]:
    cards = [(each, card_of(each, page)) for each in readers]
    small = tuple(each.name for each, card in cards if each.large_by is LargeBy.SIZE and card.layout is Layout.SMALL)
    if small:
        size = f"{picture.width} × {picture.height}"
        text = f"The picture of {tag} has {size} pixels, and is shown small. A good one has {_USUAL}."
        yield ShareFinding(Severity.WARN, tag, text, small)
    shown = picture.width / picture.height if picture.height else 0
    shapes = sorted(
        (card.shape, each.name) for each, card in cards if card.layout is Layout.LARGE and card.shape and shown
    )
    for shape, group in groupby(shapes, lambda each: each[0]):
        lost = 1 - min(shown / shape, shape / shown)
        if lost >= _MUCH:
            text = f"{round(100 * lost)} % of the picture of {tag} is cut off: it is {shown:.2f} to 1, and shown {shape:.2f} to 1."
            yield ShareFinding(Severity.WARN, tag, text, tuple(name for _, name in group))
    if tag == "og:image":
        yield from _about_announced(page, picture)


def _about_announced(page: SharedPage, picture: SharePicture) -> Iterable[ShareFinding]:
    said = tuple(page.tags.get(f"og:image:{side}", "") for side in ("width", "height"))
    if not all(said):
        text = "og:image:width and og:image:height are missing: the first who shares the page may see no picture."
        yield ShareFinding(Severity.NOTE, "og:image:width", text, ("Facebook",))
    elif said != (str(picture.width), str(picture.height)):
        text = f"The page says that its picture has {said[0]} × {said[1]} pixels, and it has "
        yield ShareFinding(Severity.NOTE, "og:image:width", f"{text}{picture.width} × {picture.height}.")
    if not page.tags.get("og:image:alt"):
        text = "og:image:alt is missing: people who cannot see the picture hear nothing of it."
        yield ShareFinding(Severity.NOTE, "og:image:alt", text)


def is_whole(url: str) -> bool:
    """Return whether `url` says its scheme, as networks need it: they know no base URL."""
    return url.lower().startswith(("http://", "https://"))


def _host(url: str) -> str:
    try:
        return urlsplit(url).netloc.lower()
    except ValueError:  # such as brackets that hold no address
        return ""


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: max(longest - 1, 0)].rstrip() + "…" * bool(longest)


def _size(number: int) -> str:
    return f"{number / 1_000_000:.1f} MB" if number >= 1_000_000 else f"{round(number / 1000)} kB"
