"""What the engine asks inside a page, as JavaScript expressions.

They run in an isolated world: same document, but none of the page's own objects, so that it cannot answer for us.
"""

import json

VALID_SELECTOR = "(selector) => { document.createDocumentFragment().querySelector(selector); return true }"

# The status of the document itself, whatever redirects led to it; 0 where it did not come over HTTP. And the requests
# of its timeline, which shows what was refused or failed too, but nothing of frames, nor a part's redirects.
_LOADED = """const loaded = () => {
  const navigation = performance.getEntriesByType('navigation')[0];
  const parts = performance.getEntriesByType('resource');
  return {status: navigation?.responseStatus ?? 0, requests: 1 + (navigation?.redirectCount ?? 0) + parts.length};
};"""
LOADED = f"() => {{ {_LOADED} return loaded() }}"

# A document whose head never ended has nothing to draw: its screenshot never comes, its print is an empty sheet.
DRAWABLE = "() => document.contentType !== 'text/html' || document.body !== null"

MATCHES = "(selector) => document.querySelector(selector) !== null"

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

# A page that fades in what is seen shows it half-way, or not at all, in a picture: animations that end are brought to
# their end. The frames before that are for observers which begin them: they are told by a task after their frame, all by
# the same one, so the last to wait for is an observer of ours. A document that is not drawn at all has no frames.
TOOLS = """const pause = patience => new Promise(done => setTimeout(done, patience));
const frame = () => Promise.race([new Promise(done => requestAnimationFrame(done)), pause(500)]);
const observed = () => Promise.race([new Promise(done => {
  const watcher = new IntersectionObserver(() => { watcher.disconnect(); setTimeout(done) });
  if (document.documentElement) watcher.observe(document.documentElement); else done();
}), pause(500)]);
const calm = async () => {
  await frame();
  await frame();
  await observed();
  for (const animation of document.getAnimations())
    if (animation.effect?.getComputedTiming().endTime < Infinity) try { animation.finish() } catch {}
};
const images = async (within, patience) => {
  const missing = [...within].filter(image => image.tagName === 'IMG' && !image.complete);
  const loaded = missing.map(image => new Promise(done => {
    image.addEventListener('load', done);
    image.addEventListener('error', done);
  }));
  await Promise.race([Promise.all(loaded), pause(patience)]);
};
const hideBroken = () => {
  for (const image of document.images)
    if (image.complete && image.currentSrc && !image.naturalWidth)
      image.style.setProperty('visibility', 'hidden', 'important');
};"""

# The load event waits for images and style sheets; a font that a style asks for late may still be on its way.
# An image that failed, or that the proxy refused, keeps its place in the layout and loses Chromium's torn picture.
# Gives what `LOADED` does, and at once where the status is an error: nobody wants to see that calm.
CALM = f"""async (patience) => {{
  {TOOLS}
  {_LOADED}
  if (loaded().status >= 400) return loaded();
  await Promise.race([document.fonts.ready, pause(patience)]);
  hideBroken();
  await calm();
  return loaded();
}}"""

# By viewports, so that whatever waits for being seen is seen; back to the top for sticky headers.
SCROLL = f"""async (limit, patience) => {{
  {TOOLS}
  const page = document.scrollingElement ?? document.documentElement;
  const end = Date.now() + patience;
  for (let top = 0; top < Math.min(page.scrollHeight, limit) && Date.now() < end; top += innerHeight) {{
    scrollTo({{top, behavior: 'instant'}});
    await frame();
    await frame();
  }}
  await images(document.images, Math.min(3000, Math.max(0, end - Date.now())));
  scrollTo({{top: 0, behavior: 'instant'}});
}}"""

ELEMENT = f"""async (selector) => {{
  {TOOLS}
  const element = document.querySelector(selector);
  if (!element) return null;
  element.scrollIntoView({{block: 'center', behavior: 'instant'}});
  await frame();
  await images([element, ...element.querySelectorAll('img')], 3000);
  hideBroken();
  await calm();
  scrollTo({{top: 0, behavior: 'instant'}});
  await frame();
  const box = element.getBoundingClientRect();
  return {{x: box.x + scrollX, y: box.y + scrollY, width: box.width, height: box.height}};
}}"""


def call(function: str, *arguments: object) -> str:
    """Make the expression that calls `function` with `arguments`, which JSON keeps from being code."""
    return f"({function})({', '.join(json.dumps(argument) for argument in arguments)})"
