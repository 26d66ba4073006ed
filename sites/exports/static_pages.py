"""The pages of a static gallery: plain HTML and one stylesheet, without scripts and without anything from elsewhere."""

from collections.abc import Container
from datetime import datetime
from html import escape
from urllib.parse import urlsplit

from sites.values import Site, SitePage

WIDTH, HEIGHT = 640, 360

STYLE = """:root { --page: #fbfbfa; --surface: #fff; --line: #e3e4e1; --text: #17201d; --quiet: #5d6763; --accent: #0b6e4f;
  color-scheme: light dark }
@media (prefers-color-scheme: dark) {
  :root { --page: #111312; --surface: #191c1b; --line: #2b302e; --text: #e8ebe9; --quiet: #98a29d; --accent: #4cc38a }
}
* { box-sizing: border-box; margin: 0 }
body { font: 15px/22px system-ui, sans-serif; color: var(--text); background: var(--page); padding: 24px;
  max-width: 1500px; margin: 0 auto }
h1 { font-size: 20px; line-height: 28px }
header { display: flex; flex-wrap: wrap; gap: 4px 16px; align-items: baseline; margin-bottom: 24px }
ul { list-style: none; padding: 0; display: grid; gap: 24px; grid-template-columns: repeat(auto-fill, minmax(260px, 1fr)) }
img, .none { display: block; width: 100%; height: auto; aspect-ratio: 16 / 9; border: 1px solid var(--line);
  border-radius: 6px; background: var(--surface) }
.none { display: grid; place-items: center; color: var(--quiet) }
h2 { font-size: 15px; line-height: 22px; margin-top: 8px; overflow-wrap: anywhere }
p, footer, nav { color: var(--quiet); font-size: 13px; line-height: 18px; overflow-wrap: anywhere }
a { color: inherit; text-decoration: none }
a:hover, nav a { color: var(--accent); text-decoration: underline }
a:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; border-radius: 6px }
nav { margin: 24px 0; display: flex; gap: 16px; font-size: 15px; line-height: 44px }
"""


def page_name(number: int) -> str:
    return "index.html" if number == 1 else f"page-{number}.html"


def picture_name(site: Site) -> str:
    return f"pictures/{site.id}.webp"


def page(page_: SitePage, number: int, pictured: Container[int], now: datetime) -> str:
    """Write one page. `pictured` holds the ids of the sites that have a picture in the folder."""
    cards = "\n".join(_card(site, pictured=site.id in pictured) for site in page_.sites)
    heading = "Gallery" if number == 1 else f"Gallery, page {number}"
    total = page_.total or 0
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src 'self' file:; style-src 'self' file:">
<title>{heading}</title>
<link rel="stylesheet" href="style.css">
</head>
<body>
<header><h1>{heading}</h1><p>{total:,} {"site" if total == 1 else "sites"}, exported {_day(now)}</p></header>
<main>
<ul>
{cards}
</ul>
{_navigation(number, page_.next is not None)}</main>
</body>
</html>
"""


def _card(site: Site, *, pictured: bool) -> str:
    host = urlsplit(site.url).hostname or site.url
    title = escape(site.title or host)
    if pictured and site.picture:
        at = site.picture.captured_at
        alt = escape(f"Screenshot of {host}, captured {_words(at)}")
        picture = f'<img src="{picture_name(site)}" width="{WIDTH}" height="{HEIGHT}" alt="{alt}" loading="lazy">'
        note = f"{escape(host)} · captured {_day(at)}"
    else:
        picture, note = '<span class="none">no picture yet</span>', escape(host)
    link = f'<a href="{escape(site.url)}" rel="noopener noreferrer"'
    return f'<li>{link} tabindex="-1" aria-hidden="true">{picture}</a><h2>{link}>{title}</a></h2><p>{note}</p></li>'


def _navigation(number: int, more: bool) -> str:
    previous = f'<a href="{page_name(number - 1)}" rel="prev">Previous</a>' if number > 1 else ""
    following = f'<a href="{page_name(number + 1)}" rel="next">Next</a>' if more else ""
    return f'<nav aria-label="Pages">{previous}{following}</nav>\n' if previous or following else ""


def _day(at: datetime) -> str:
    return f'<time datetime="{at:%Y-%m-%d}">{_words(at)}</time>'


def _words(at: datetime) -> str:
    return f"{at.day} {at:%B %Y}"
