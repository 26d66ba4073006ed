"""The JavaScript functions that the engine runs inside a page.

They run in an isolated world, with the same document but none of the page's objects: the page cannot fake the answers.
"""

import json

VALID_SELECTOR = "(selector) => { document.createDocumentFragment().querySelector(selector); return true }"

# The status of the final document, or 0 if it did not come over HTTP; and the number of requests in its timeline.
# The timeline holds refused and failed requests too, but not those of frames, nor redirects of subresources.
_LOADED = """const loaded = () => {
  const navigation = performance.getEntriesByType('navigation')[0];
  const parts = performance.getEntriesByType('resource');
  return {status: navigation?.responseStatus ?? 0, requests: 1 + (navigation?.redirectCount ?? 0) + parts.length};
};"""
LOADED = f"() => {{ {_LOADED} return loaded() }}"

# A document whose head never ended has nothing to draw: its screenshot never arrives, and its PDF is empty.
DRAWABLE = "() => document.contentType !== 'text/html' || document.body !== null"

MATCHES = "(selector) => document.querySelector(selector) !== null"

WAIT_FOR = """(selector) => new Promise(found => {
  const look = () => { if (document.querySelector(selector)) { watcher.disconnect(); found(true) } };
  const watcher = new MutationObserver(look);
  watcher.observe(document, {childList: true, subtree: true, attributes: true});
  look();
})"""

# A constructed sheet passes a Content-Security-Policy that refuses inline styles. Each selector has a rule of its own,
# so that one unknown to this Chromium does not disable the others. The sheet is added again before the picture, as the
# page may have removed it.
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

# Elements that fade in would be half visible in a picture, so every finite animation is finished. Two frames come first,
# for the page's observers that start animations. One task notifies all observers after a frame, so our own observer,
# added last, shows that the page's have run. A document that is not drawn has no frames: hence the time-outs.
TOOLS = """const pause = patience => new Promise(done => setTimeout(done, patience));
const frame = () => Promise.race([new Promise(done => requestAnimationFrame(done)), pause(500)]);
const observed = () => Promise.race([new Promise(done => {
  const watcher = new IntersectionObserver(() => { watcher.disconnect(); setTimeout(done) });
  if (document.documentElement) watcher.observe(document.documentElement); else done();
}), pause(500)]);
const settle = async () => {
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

# The load event waits for images and style sheets, but not for a font that a style requests late. A failed or refused
# image keeps its place in the layout, without Chromium's broken-image icon. The result is that of `LOADED`, and is
# returned at once for an error status.
SETTLE = f"""async (patience) => {{
  {TOOLS}
  {_LOADED}
  if (loaded().status >= 400) return loaded();
  await Promise.race([document.fonts.ready, pause(patience)]);
  hideBroken();
  await settle();
  return loaded();
}}"""

# Scrolls by viewports, so that lazy content loads, then back to the top, where sticky headers belong.
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
  await settle();
  scrollTo({{top: 0, behavior: 'instant'}});
  await frame();
  const box = element.getBoundingClientRect();
  return {{x: box.x + scrollX, y: box.y + scrollY, width: box.width, height: box.height}};
}}"""


def call_expression(function: str, *arguments: object) -> str:
    """Make the expression that calls `function`. The arguments are JSON, so they cannot be code."""
    return f"({function})({', '.join(json.dumps(argument) for argument in arguments)})"
