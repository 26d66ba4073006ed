"""Reads what a page says of itself, from its document as it is when the picture is taken.

The script runs in the isolated world, whose prototypes the page cannot change. An element that is named like a member of
`document` hides the member there too, so members are taken from the prototypes.
"""

from engine.devtools.connection import ProtocolError
from engine.errors import DeadlineExceeded, PageFailed
from engine.page.frame import DocumentReplaced
from engine.page.page import Page
from engine.page.scripts import call_expression
from options import FEED_TYPES, LONGEST_LINK, PageMetadata

MOST_ELEMENTS = 500  # of each kind; pages have a dozen
LONGEST_TEXT = 4096  # characters that leave the page

_READ = """(feedTypes, most, longest, longestLink) => {
  const member = (type, name) => Object.getOwnPropertyDescriptor(type.prototype, name).get.call(document);
  const all = name => {
    const found = Document.prototype.getElementsByTagName.call(document, name);
    return Array.from({length: Math.min(found.length, most)}, (_, index) => found[index]);
  };
  const cut = text => (text ?? '').slice(0, longest);
  const value = (element, name) => cut(element.getAttribute(name)).trim();
  const base = member(Node, 'baseURI');
  const link = text => {
    try {
      const {protocol, href} = new URL(text, base);
      return text && /^https?:$/.test(protocol) && href.length <= longestLink ? href : '';
    } catch { return '' }
  };
  const said = new Map();
  let colour = '';
  for (const meta of all('meta')) {
    const name = (value(meta, 'property') || value(meta, 'name')).toLowerCase(), content = value(meta, 'content');
    if (!name || !content) continue;
    if (!said.has(name)) said.set(name, content);
    if (name === 'theme-color' && !colour && (!meta.media || matchMedia(meta.media).matches)) colour = content.slice(0, 64);
  }
  const first = (...names) => names.map(name => said.get(name)).find(Boolean) ?? '';
  const opaque = text => {  // as #rrggbb, whatever CSS calls the colour
    if (!text || !CSS.supports('color', text)) return '';
    const context = new OffscreenCanvas(1, 1).getContext('2d');
    context.fillStyle = text;
    return String(context.fillStyle).slice(0, 7);
  };
  const icons = [], feeds = [];
  let canonical = '', shown = '';
  for (const element of all('link')) {
    const words = value(element, 'rel').toLowerCase().split(/\\s+/), href = link(value(element, 'href'));
    if (!href) continue;
    const has = word => words.includes(word), type = value(element, 'type').toLowerCase();
    if (has('canonical')) canonical ||= href;
    if (has('image_src')) shown ||= href;
    if (icons.length < 50 && (has('icon') || has('apple-touch-icon') || has('apple-touch-icon-precomposed'))) {
      const sides = value(element, 'sizes').match(/\\d+(?=x)/gi) ?? [];
      const touch = !has('icon');
      icons.push({url: href, side: Math.max(touch && !sides.length ? 180 : 0, ...sides.slice(0, 20).map(Number)), touch});
    }
    if (has('alternate') && feedTypes.includes(type) && feeds.length < 50)
      feeds.push({url: href, type, title: value(element, 'title')});
  }
  icons.sort((one, other) => one.touch - other.touch);
  const image = link(first('og:image:secure_url', 'og:image', 'og:image:url', 'twitter:image', 'twitter:image:src')) || shown;
  const root = member(Document, 'documentElement');
  const heading = () => cut(all('h1')[0]?.textContent);
  return {
    url: link(location.href),
    title: first('og:title', 'twitter:title') || cut(member(Document, 'title')) || heading(),
    description: first('og:description', 'description', 'twitter:description'),
    site_name: first('og:site_name', 'application-name', 'apple-mobile-web-app-title'),
    author: [said.get('author'), said.get('article:author')].find(name => name && !/^https?:/i.test(name)) ?? '',
    published: first('article:published_time', 'date'),
    language: (root && (value(root, 'lang') || value(root, 'xml:lang'))) || first('og:locale').replace('_', '-'),
    theme_color: opaque(colour),
    canonical: canonical || link(first('og:url')),
    image: image && {url: image, width: +first('og:image:width'), height: +first('og:image:height'), alt: first('og:image:alt')},
    icons,
    feeds,
  };
}"""
_EXPRESSION = call_expression(_READ, FEED_TYPES, MOST_ELEMENTS, LONGEST_TEXT, LONGEST_LINK)


async def read(page: Page, status: int) -> PageMetadata:
    """Return what the current document says of itself; only its URL and `status` if it is too busy to be read.

    Raises DocumentReplaced.
    """
    said = None
    try:
        said = await page.evaluate(_EXPRESSION)
    except DocumentReplaced:
        raise
    except (PageFailed, DeadlineExceeded, ProtocolError):
        pass
    known = said if isinstance(said, dict) else {"url": page.frame.url}
    return PageMetadata.of(known | {"status": status})
