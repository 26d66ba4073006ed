"""Reads what a page says of itself, from its document as it is when the picture is taken.

The script runs in the isolated world, whose prototypes the page cannot change. An element that is named like a member of
`document` hides the member there too, so members are taken from the prototypes.
"""

from engine.devtools.connection import ProtocolError
from engine.errors import DeadlineExceeded, PageFailed, ThumbnailsDeclined
from engine.page import opt_out
from engine.page.frame import DocumentReplaced
from engine.page.page import Page
from engine.page.scripts import call_expression
from options import FEED_TYPES, LONGEST_ICON, LONGEST_LINK, SHARE_TAGS, PageMetadata

MOST_ELEMENTS = 500  # of each kind; pages have a dozen
LONGEST_TEXT = 4096  # characters that leave the page
MOST_DATA = 1 << 18  # characters of linked data that are read

_READ = """(feedTypes, shareTags, most, longest, longestLink, longestIcon, mostData) => {
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
  const shown = element => !value(element, 'media') || matchMedia(value(element, 'media')).matches;
  const said = new Map(), pictures = [{}];
  let colour = '';
  for (const meta of all('meta')) {
    const name = (value(meta, 'property') || value(meta, 'name') || (meta.closest('head') && value(meta, 'itemprop')) || value(meta, 'http-equiv')).toLowerCase();
    const content = value(meta, 'content');
    if (!name || !content) continue;
    if (!said.has(name)) said.set(name, content);
    if (name === 'theme-color' && !colour && shown(meta)) colour = content.slice(0, 64);
    const part = name.match(/^og:image(?::(url|secure_url|width|height|alt))?$/);
    if (part && !part[1] && pictures.at(-1).url) pictures.push({});  // what follows is said of this one
    if (part) pictures.at(-1)[part[1] ?? 'url'] ??= content;
  }
  const first = (...names) => names.map(name => said.get(name)).find(Boolean) ?? '';
  const opaque = text => {  // as #rrggbb, whatever CSS calls the colour
    if (!text || !CSS.supports('color', text)) return '';
    const context = new OffscreenCanvas(1, 1).getContext('2d');
    context.fillStyle = text;
    return String(context.fillStyle).slice(0, 7);
  };
  const written = element => {  // an icon in base64, of which an <svg> is none
    const text = (element.getAttribute('href') ?? '').slice(0, 2 * longestIcon).trim();
    try {
      return /^data:image\\/(?!svg)[^,]*;base64,/i.test(text) ? new URL(text).href.slice(0, longestIcon + 1) : '';
    } catch { return '' }
  };
  const icons = [], feeds = [];
  let iconData = '';
  let canonical = '', source = /^image\\//.test(member(Document, 'contentType')) ? link(location.href) : '';
  for (const element of all('link')) {
    const words = value(element, 'rel').toLowerCase().split(/\\s+/), href = link(value(element, 'href'));
    if (!href && words.includes('icon') && shown(element)) iconData ||= written(element);
    if (!href) continue;
    const has = word => words.includes(word), type = value(element, 'type').toLowerCase().split(';')[0].trim();
    if (has('canonical')) canonical ||= href;
    if (has('image_src')) source ||= href;
    const touch = !has('icon');
    if (icons.length < 50 && (!touch || has('apple-touch-icon') || has('apple-touch-icon-precomposed')) && shown(element)) {
      const sides = value(element, 'sizes').match(/\\d+(?=x)/gi) ?? [];
      icons.push({url: href, side: Math.max(touch && !sides.length ? 180 : 0, ...sides.slice(0, 20).map(Number)), touch});
    }
    if (has('alternate') && feedTypes.includes(type) && feeds.length < 50)
      feeds.push({url: href, type, title: value(element, 'title')});
  }
  icons.sort((one, other) => one.touch - other.touch);
  // The article, product, … by schema.org, whose values are texts, objects with a name or URL, or lists of these.
  const things = [];
  const walk = (node, depth) => {
    if (!node || typeof node !== 'object' || depth > 4 || things.length > 100) return;
    if (Array.isArray(node)) return node.slice(0, 50).forEach(each => walk(each, depth + 1));
    if (/article|posting|page|product|recipe|event|video|book|movie/i.test(String(node['@type']).slice(0, 200))) things.push(node);
    walk(node['@graph'], depth + 1);
    walk(node.mainEntity, depth + 1);
  };
  const word = (told, keys, depth = 4) => {
    if (typeof told === 'string') return cut(told).trim();
    if (!told || typeof told !== 'object' || !depth) return '';
    return word(Array.isArray(told) ? told[0] : keys.map(key => told[key]).find(Boolean), keys, depth - 1);
  };
  const told = (name, ...keys) => things.map(each => word(each[name], keys)).find(Boolean) ?? '';
  let left = mostData;
  for (const script of all('script')) {
    if (!/^application\\/ld\\+json/i.test(value(script, 'type')) || (left -= script.textContent.length) < 0) continue;
    try { walk(JSON.parse(script.textContent), 0) } catch {}
  }
  // The first that can be fetched: pages also name pictures that are data, or none at all.
  const named = ['twitter:image', 'twitter:image:src', 'image'].map(name => first(name));
  pictures.push(...[...named, told('image', 'url', 'contentUrl', '@id')].map(url => ({url})));
  const image = pictures.map(each => ({...each, url: link(each.secure_url) || link(each.url)})).find(each => each.url) ?? {url: source};
  const root = member(Document, 'documentElement');
  const heading = () => cut(all('h1')[0]?.textContent);
  const share = {title: cut(member(Document, 'title')).trim()};
  const spelled = {'og:image': ['og:image', 'og:image:url'], 'twitter:image': ['twitter:image', 'twitter:image:src']};
  for (const name of shareTags) if (first(...(spelled[name] ?? [name]))) share[name] ??= first(...(spelled[name] ?? [name]));
  return {
    url: link(location.href),
    title: first('og:title', 'twitter:title') || cut(member(Document, 'title')).trim() || told('headline') || heading(),
    description: first('og:description', 'description', 'twitter:description') || told('description'),
    site_name: first('og:site_name', 'application-name', 'apple-mobile-web-app-title') || told('publisher', 'name'),
    author: [first('author'), first('article:author'), told('author', 'name')].find(name => name && !/^https?:/i.test(name)) ?? '',
    published: [...['article:published_time', 'datepublished', 'pubdate', 'date', 'dc.date'].map(name => first(name)), told('datePublished')],
    language: [...(root ? [value(root, 'lang'), value(root, 'xml:lang')] : []), first('content-language'), first('og:locale')],
    theme_color: opaque(colour),
    canonical: canonical || link(first('og:url')),
    image: {...image, width: +(image.width ?? 0), height: +(image.height ?? 0)},
    icons,
    icon_data: iconData,
    feeds,
    share,
    thumbnails: said.get('thumbnails') ?? '',
  };
}"""
_EXPRESSION = call_expression(
    _READ, FEED_TYPES, SHARE_TAGS, MOST_ELEMENTS, LONGEST_TEXT, LONGEST_LINK, LONGEST_ICON, MOST_DATA
)


async def read(page: Page, status: int, *, may_decline: bool = True) -> PageMetadata:
    """Return what the current document says of itself; only its URL and `status` if it is too busy to be read.

    Raises DocumentReplaced, and ThumbnailsDeclined if it asks not to be shown and `may_decline`.
    """
    said = None
    try:
        said = await page.evaluate(_EXPRESSION)
    except DocumentReplaced:
        raise
    except (PageFailed, DeadlineExceeded, ProtocolError):
        pass
    known = said if isinstance(said, dict) else {"url": page.frame.url}
    if opt_out.is_none(str(known.pop("thumbnails", ""))) and may_decline:
        raise ThumbnailsDeclined
    return PageMetadata.of(known | {"status": status})
