"""The JavaScript functions that the engine runs inside a page.

They run in an isolated world, with the same document but none of the page's objects: the page cannot fake the answers.
"""

import json

VALID_SELECTOR = "(selector) => { document.createDocumentFragment().querySelector(selector); return true }"

# The status of the final document, or 0 if it did not come over HTTP; the number of requests in its timeline; whether
# scripts may change what it is; and whether the browser's player stands in its place. The timeline holds refused and failed requests too, but not those of frames, nor
# redirects of subresources.
_LOADED = """const loaded = () => {
  const navigation = performance.getEntriesByType('navigation')[0];
  const parts = performance.getEntriesByType('resource');
  const scripted = document.body?.hasAttribute('onload') || parts.some(each => each.initiatorType === 'script')
    || [...document.scripts].some(each => /^$|javascript|ecmascript|module/.test(each.type ?? ''));
  const media = /^(audio|video)[/]/.test(document.contentType);
  return {status: navigation?.responseStatus ?? 0, requests: 1 + (navigation?.redirectCount ?? 0) + parts.length, scripted,
    media};
};"""
LOADED = f"() => {{ {_LOADED} return loaded() }}"

# A document whose head never ended has nothing to draw: its screenshot never arrives, and its PDF is empty.
DRAWABLE = "() => document.contentType !== 'text/html' || document.body !== null"

# The numbers of parts that have come and that `load` may wait for, and of what scripts have fetched.
ARRIVED = """() => {
  const all = performance.getEntriesByType('resource');
  const fetched = all.filter(each => /^(fetch|xmlhttprequest|beacon)$/.test(each.initiatorType)).length;
  return [all.length - fetched, fetched];
}"""

MATCHES = "(selector) => document.querySelector(selector) !== null"

# A constructed sheet passes a Content-Security-Policy that refuses inline styles. It is added again before the picture,
# as the page may have removed it.
HIDE = """(hidden) => {
  const sheet = new CSSStyleSheet();
  try { sheet.insertRule(hidden + '{display: none !important}') } catch {}
  document.querySelectorAll(hidden).forEach(element => element.style?.setProperty('display', 'none', 'important'));
  document.adoptedStyleSheets.push(sheet);
}"""

# A constructed sheet ignores `@import`, so a sheet that imports is added as an element too, where the page's policy allows
# that. Added again, it stays as it is.
ADD_STYLE = """(css) => {
  if (window !== top) return;
  if (!globalThis.added) (globalThis.added = new CSSStyleSheet()).replaceSync(css);
  if (!document.adoptedStyleSheets.includes(added)) document.adoptedStyleSheets.push(added);
  if (!/@import/i.test(css) || globalThis.importing?.isConnected || !document.documentElement) return;
  globalThis.importing ??= document.createElementNS('http://www.w3.org/1999/xhtml', 'style');
  importing.textContent = css;
  (document.head ?? document.documentElement).append(importing);
}"""

# The middle of an element, which is scrolled into view only if the middle lies outside of the window.
POINT_OF = """(selector) => {
  const element = document.querySelector(selector);
  if (!element) return null;
  const point = () => {
    const box = element.getBoundingClientRect();
    return {x: box.x + box.width / 2, y: box.y + box.height / 2, size: box.width * box.height};
  };
  const {x, y} = point();
  const scrolled = x < 0 || y < 0 || x >= innerWidth || y >= innerHeight;
  if (scrolled) element.scrollIntoView({block: 'center', inline: 'center', behavior: 'instant'});
  return {...point(), scrolled};
}"""

# All elements of the document and its open shadow roots.
ELEMENTS = """function* elements(root = document) {
  for (const element of root.querySelectorAll('*')) {
    yield element;
    if (element.shadowRoot) yield* elements(element.shadowRoot);
  }
}"""

# How the words of a page begin that waits for its content.
LOADS = """const loads = new RegExp('^(loading|please wait|just a moment|wird geladen|lädt|bitte warten|chargement|'
  + 'veuillez patienter|cargando|caricamento|carregando|laden|ładowanie|laddar|загрузка|加载中|読み込み中)', 'i');"""

# Whether a canvas of the page has been handed over, to a worker perhaps: it gives no context any more, not even none.
HAS_GIVEN_CANVAS = f"""() => {{
  {ELEMENTS}
  const given = canvas => {{ try {{ canvas.getContext('none') }} catch {{ return true }} }};
  const look = view => {{
    for (const element of elements(view.document)) if (element.localName === 'canvas' && given(element)) return true;
    for (let n = 0; n < view.length; n++) try {{ if (look(view[n])) return true }} catch {{}}
    return false;
  }};
  return look(window);
}}"""

# How much the window shows: `nothing`; a `word` such as "Loading…"; a `motion` without end beside little else, such as a
# spinner; `boxes` without text; `little` (a header, a logo, grey boxes that shimmer); or `much`. All but the last is what
# applications show before their content has come. A colour that fills the window is nothing if the page loads scripts.
_SHOWS = f"""const shows = () => {{
  {ELEMENTS}
  {LOADS}
  if (document.contentType !== 'text/html' || !document.body) return 'much';
  const area = element => {{
    if (!element.checkVisibility({{opacityProperty: true, visibilityProperty: true}})) return 0;
    const box = element.getBoundingClientRect();
    return Math.max(0, Math.min(box.right, innerWidth) - Math.max(box.left, 0))
      * Math.max(0, Math.min(box.bottom, innerHeight) - Math.max(box.top, 0));
  }};
  const all = innerWidth * innerHeight;
  let text = '', pictures = 0, skeleton = 0, boxes = false, fills = false, moves = false;
  const read = root => {{
    const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
    while (text.length < 200 && walker.nextNode()) {{
      const words = walker.currentNode.data.trim();
      if (words && area(walker.currentNode.parentElement ?? root.host)) text += ' ' + words;
    }}
  }};
  read(document.body);
  for (const {{effect}} of document.getAnimations()) {{
    if (effect?.getComputedTiming().endTime !== Infinity || !effect.target) continue;
    const size = area(effect.target);
    moves ||= size > 0;
    if (!effect.target.textContent.trim() && !effect.target.querySelector('img, svg, canvas, video')) skeleton += size;
  }}
  const grey = skeleton > all / 20 && skeleton < all;
  if (text.length >= 200) return grey ? 'little' : 'much';
  for (const element of elements(document.body)) {{
    if (element.shadowRoot) read(element.shadowRoot);
    const size = area(element);
    if (!size) continue;
    const style = getComputedStyle(element);
    const closed = element.localName.includes('-') && !element.shadowRoot && !element.childElementCount;
    if (/^(img|svg|canvas|video|iframe|object|embed|input)$/.test(element.localName) || style.backgroundImage.includes('url(')
        || (closed && element.matches(':defined')))
      pictures += size > 2500 ? size : 0;
    else if (style.backgroundImage !== 'none' || !/^rgba\\(.*, 0\\)$/.test(style.backgroundColor))
      size < all ? boxes = true : fills = true;
    if (text.length >= 200 || pictures > all / 10) return grey ? 'little' : 'much';
  }}
  text = text.trim();
  if (text.length <= 60 && !pictures) {{
    if (loads.test(text)) return 'word';
    if (/([.][.][.]|…)$/.test(text)) return 'motion';
  }}
  if (moves) return 'motion';
  if (text || pictures) return 'little';
  const colours = [document.body, document.documentElement].map(each => getComputedStyle(each).backgroundColor);
  fills ||= colours.some(colour => !/^rgba\\(.*, 0\\)$|^rgb\\(255, 255, 255\\)$/.test(colour));
  const scripts = performance.getEntriesByType('resource').some(each => each.initiatorType === 'script');
  return boxes || (fills && !scripts) ? 'boxes' : 'nothing';
}};"""

# Brings a page to rest, as far as that is possible at once. `running` animations were finished, which may start others;
# `missing` images in view and `fonts` are still under way. Elements that fade in would be half visible in a picture, so
# every finite animation is finished. Three kinds are not: where scrolling drives one, its progress is a place, not a time;
# one that is paused shows what the page wants; and one that has not begun to fade its element out stays where it is. A
# failed or refused image keeps its place in the layout, without Chromium's broken-image icon.
REST = f"""() => {{
  {_LOADED}
  {_SHOWS}
  const kept = globalThis.kept ??= new WeakSet();
  const fonts = document.fonts.status === 'loading';
  let missing = fonts ? 1 : 0;
  for (const image of document.images)
    if (!image.complete) {{
      const box = image.getBoundingClientRect();
      if (box.bottom > 0 && box.right > 0 && box.top < innerHeight && box.left < innerWidth) missing++;
    }} else if (image.currentSrc && !image.naturalWidth)
      image.style.setProperty('visibility', 'hidden', 'important');
  let running = 0;
  const opacity = ({{target, pseudoElement}}) => target ? Number(getComputedStyle(target, pseudoElement).opacity) : 1;
  for (const animation of document.getAnimations())
    if (animation.timeline instanceof DocumentTimeline && animation.effect?.getComputedTiming().endTime < Infinity
        && animation.playState === 'running' && !kept.has(animation))
      try {{
        const before = opacity(animation.effect), time = animation.currentTime;
        const has_begun = time > animation.effect.getTiming().delay;
        animation.finish();
        running++;
        if (has_begun || animation instanceof CSSTransition || animation.effect.pseudoElement?.startsWith('::view')) continue;
        if (opacity(animation.effect) >= before) continue;
        animation.currentTime = time;
        animation.pause();
        kept.add(animation);
      }} catch {{}}
  return {{...loaded(), shows: shows(), running, missing, fonts}};
}}"""

# What the page, or a frame of its site, has requested since this was last asked: 0 for nothing, 1 for animation frames, 2
# for idle periods, and -1 if there is no script that may request any. Such requests are numbered, in all worlds of a
# document alike, so one of ours tells how many there were. After a request, we request as many as `frames`: an idle period
# begins only after a frame that was requested. If a page shows much, and itself has requested something at `most` looks in a
# row, it has a loop without end perhaps, and its requests no longer count.
REQUESTED = f"""(frames, most) => {{
  {_SHOWS}
  const own = globalThis.own ??= {{seen: new WeakMap(), made: 0, left: 0, pending: false, answers: 0, loops: false}};
  if (own.loops) return 0;
  const nothing = () => {{}};
  let requested = 0, inside = false, windows = 50;
  const look = view => {{
    if (windows-- <= 0) return;
    const frame = view.requestAnimationFrame(nothing), idle = view.requestIdleCallback(nothing);
    view.cancelIdleCallback(idle);
    const seen = own.seen.get(view.document) ?? {{frame: 0, idle: 0}};
    const asked = idle > seen.idle + 1 ? 2 : frame > seen.frame + 1 + (view === window ? own.made : 0) ? 1 : 0;
    requested = Math.max(requested, asked);
    inside ||= asked && view !== window;
    own.seen.set(view.document, {{frame, idle}});
    for (let n = 0; n < view.length; n++) try {{ look(view[n]) }} catch {{}}
  }};
  look(window);
  own.made = 0;
  const draw = () => {{
    own.pending = own.left-- > 0;
    if (!own.pending) return;
    own.made++;
    requestAnimationFrame(draw);
  }};
  own.answers = requested && !inside ? own.answers + 1 : 0;
  own.loops = own.answers === most && shows() === 'much';
  if (requested) own.left = own.loops ? 0 : frames;
  if (!own.pending) draw();
  return requested || (document.scripts.length || window.length || document.querySelector('[onload]') ? 0 : -1);
}}"""


def call_expression(function: str, *arguments: object) -> str:
    """Make the expression that calls `function`. The arguments are JSON, so they cannot be code."""
    return f"({function})({', '.join(json.dumps(argument) for argument in arguments)})"
