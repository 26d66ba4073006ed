"""What the engine asks inside a page, as JavaScript expressions.

They run in an isolated world: same document, but none of the page's own objects, so that it cannot answer for us.
"""

import json

VALID_SELECTOR = "(selector) => { document.createDocumentFragment().querySelector(selector); return true }"

# The status of the document itself, whatever redirects led to it; 0 where it did not come over HTTP.
STATUS = "() => performance.getEntriesByType('navigation')[0]?.responseStatus ?? 0"

# The load event waits for images and style sheets; a font that a style asks for late may still be on its way.
FONTS = """async (patience) => {
  await Promise.race([document.fonts.ready, new Promise(done => setTimeout(done, patience))]);
}"""

WAIT_FOR = """(selector) => new Promise(found => {
  const look = () => { if (document.querySelector(selector)) { watcher.disconnect(); found(true) } };
  const watcher = new MutationObserver(look);
  watcher.observe(document, {childList: true, subtree: true, attributes: true});
  look();
})"""

# Constructed sheets pass a Content-Security-Policy that refuses inline styles; one rule each, so that a selector that
# this Chromium does not know costs itself alone. A page may drop the sheet: it is put in again before the picture.
HIDE = """(rules, hidden) => {
  const sheet = new CSSStyleSheet();
  const insert = rule => { try { sheet.insertRule(rule) } catch {} };
  rules.forEach(insert);
  if (hidden) {
    insert(hidden + '{display: none !important}');
    document.querySelectorAll(hidden).forEach(element => element.style?.setProperty('display', 'none', 'important'));
  }
  document.adoptedStyleSheets.push(sheet);
}"""

IMAGES = """const images = async (within, patience) => {
  const missing = [...within].filter(image => image.tagName === 'IMG' && !image.complete);
  const loaded = missing.map(image => new Promise(done => { image.onload = image.onerror = done }));
  await Promise.race([Promise.all(loaded), new Promise(done => setTimeout(done, patience))]);
};
const frame = () => new Promise(done => { requestAnimationFrame(done); setTimeout(done, 100) });"""

# By viewports, so that whatever waits for being seen is seen; back to the top for sticky headers.
SCROLL = f"""async (limit, patience) => {{
  {IMAGES}
  const page = document.scrollingElement ?? document.documentElement;
  const end = Date.now() + patience;
  for (let top = 0; top < Math.min(page.scrollHeight, limit) && Date.now() < end; top += innerHeight) {{
    scrollTo({{top, behavior: 'instant'}});
    await frame();
    await frame();
  }}
  await images(document.images, Math.min(3000, Math.max(0, end - Date.now())));
  scrollTo({{top: 0, behavior: 'instant'}});
  await frame();
}}"""

ELEMENT = f"""async (selector) => {{
  {IMAGES}
  const element = document.querySelector(selector);
  if (!element) return null;
  element.scrollIntoView({{block: 'center', behavior: 'instant'}});
  await frame();
  await images([element, ...element.querySelectorAll('img')], 3000);
  scrollTo({{top: 0, behavior: 'instant'}});
  await frame();
  const box = element.getBoundingClientRect();
  return {{x: box.x + scrollX, y: box.y + scrollY, width: box.width, height: box.height}};
}}"""


def call(function: str, *arguments: object) -> str:
    """Make the expression that calls `function` with `arguments`, which JSON keeps from being code."""
    return f"({function})({', '.join(json.dumps(argument) for argument in arguments)})"
