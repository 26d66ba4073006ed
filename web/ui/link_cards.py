"""Link cards: the picture, title, description and host of a page, as `/embed` shows them and as HTML to paste."""

from dataclasses import dataclass
from html import escape
from urllib.parse import urlsplit

from errors import ThumbnailError
from images.idn import spelled
from metadata import Metadata
from web.http.page_links import PageLinks, themed

THEMES = ("auto", "light", "dark")
READY, PENDING, FAILED = "ready", "pending", "failed"


@dataclass(frozen=True, slots=True)
class LinkCard:
    """What a card shows. `picture` and `icon` are addresses, "" where there is none; `sources` is a `srcset`."""

    state: str
    url: str = ""
    title: str = ""
    description: str = ""
    language: str = ""
    picture: str = ""
    sources: str = ""
    icon: str = ""
    retry_after: int = 0

    @property
    def host(self) -> str:
        """The host as its readers know it: in its own script, unless it could be taken for another one."""
        return spelled(urlsplit(self.url).netloc.removeprefix("www."), lambda _script: True)

    @property
    def heading(self) -> str:
        return self.title or self.host or "No preview"


@dataclass(frozen=True, slots=True)
class LinkCards:
    """Makes cards from the options of a caller's query, with addresses that hold below the same host."""

    links: PageLinks

    def ready(self, query: bytes, known: Metadata, theme: str) -> LinkCard:
        return self._with_pictures(
            query,
            theme,
            LinkCard(
                READY,
                known.url,
                known.title,
                known.description or known.site_name,
                known.language,
            ),
        )

    def pending(self, query: bytes, url: str, retry_after: int, theme: str) -> LinkCard:
        """Return the card of a page that is being captured. Its picture comes when it is there: the browser waits."""
        return self._with_pictures(query, theme, LinkCard(PENDING, url, retry_after=retry_after))

    def failed(self, url: str, err: ThumbnailError) -> LinkCard:
        reason = f"{err.title}."
        return LinkCard(FAILED, url, description=f"No preview: {reason[:1].lower()}{reason[1:]}" if url else reason)

    def _with_pictures(self, query: bytes, theme: str, card: LinkCard) -> LinkCard:
        pairs, write = self.links.pairs(query), self.links.path
        shown = {"format": "webp"} | themed(theme)
        sizes = self.links.sizes(((320, 180), (640, 360), (960, 540)))
        paths = {size: write("/thumb", pairs, w=size[0], h=size[1], **shown) for size in sizes}
        small = next(iter(paths.values()), "") or write("/thumb", pairs, **shown)
        return LinkCard(
            card.state,
            card.url,
            card.title,
            card.description,
            card.language,
            small,
            ", ".join(f"{path} {size[0]}w" for size, path in paths.items()),
            write("/icon", pairs, size=32, **({"wait": 0} if card.state == PENDING else {})),
            card.retry_after,
        )


_COLOURS = {
    "auto": ("color:inherit;background:transparent", "color-mix(in srgb,currentColor 25%,transparent)", "opacity:.75"),
    "light": ("color:#17201d;background:#fff", "#e3e4e1", "color:#5d6763"),
    "dark": ("color:#e8ebe9;background:#191c1b", "#2b302e", "color:#98a29d"),
}


def html_to_paste(card: LinkCard, picture: str, theme: str) -> str:
    """Write a card as HTML that needs neither our style sheet nor a frame. `picture` is its absolute address, or ""."""
    paper, line, quiet = _COLOURS[theme]
    image = (
        f'<img src="{escape(picture)}" alt="" width="160" height="90" loading="lazy" '
        'style="flex:none;width:160px;height:90px;object-fit:cover;object-position:top;border-radius:4px">'
        if picture
        else ""
    )
    cut = "display:-webkit-box;-webkit-box-orient:vertical;overflow:hidden;-webkit-line-clamp"
    description = (
        f'<span dir="auto" style="{cut}:2;font-size:13px;{quiet}">{escape(card.description)}</span>'
        if card.description
        else ""
    )
    start, end = (
        (f'<a href="{escape(card.url)}" target="_blank" rel="noopener"', "</a>") if card.url else ("<div", "</div>")
    )
    return (
        f'{start} style="display:flex;gap:16px;max-width:600px;'
        f"padding:12px;border:1px solid {line};border-radius:6px;{paper};text-decoration:none;"
        f'font:15px/1.4 system-ui,sans-serif;overflow-wrap:anywhere">{image}'
        '<span style="display:flex;flex-direction:column;gap:2px;min-width:0">'
        f'<strong dir="auto" style="{cut}:2;font-weight:600">{escape(card.heading)}</strong>{description}'
        f'<span style="font-size:13px;{quiet}">{escape(card.host)}</span></span>{end}\n'
    )
