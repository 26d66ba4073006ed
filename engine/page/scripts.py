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
_ELEMENTS = """function* elements(root = document) {
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
  {_ELEMENTS}
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
  {_ELEMENTS}
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
    if (element.localName === 'img' && element.complete && !element.naturalWidth) continue;
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
# one that is paused shows what the page wants; and one that has not begun to fade its element out stays where it is. An
# image that we have `refused`, as it is an advertisement, leaves its place empty. One that failed shows its text.
REST = f"""(refused) => {{
  {_LOADED}
  {_SHOWS}
  const kept = globalThis.kept ??= new WeakSet();
  const fonts = document.fonts.status === 'loading';
  let missing = fonts ? 1 : 0;
  for (const image of document.images)
    if (!image.complete) {{
      const box = image.getBoundingClientRect();
      if (box.bottom > 0 && box.right > 0 && box.top < innerHeight && box.left < innerWidth) missing++;
    }} else if (refused.includes(image.currentSrc.split('#')[0]) && !image.naturalWidth)
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

# A scroll-driven animation shows what it shows when its element is in the middle of the window.
SHOW_SCROLLED = """() => {
  for (const animation of document.getAnimations())
    if (animation.timeline instanceof ViewTimeline)
      try {
        const begin = animation.startTime?.value ?? 0;
        animation.pause();
        animation.currentTime = CSS.percent(50 - begin);
      } catch {}
}"""

# A phone shows a page that is not made for it smaller, so that a CSS pixel of the page is less than one of the window. All
# places and lengths below are in pixels of the window.
_ZOOM = "const zoom = Math.min(1, visualViewport.scale);"

# The scroller that a visitor would scroll: the document, or an element that fills most of the window.
_SCROLLER = """const scroller = () => {
  const page = document.scrollingElement ?? document.documentElement;
  let best = null, most = 0;
  for (const element of elements()) {
    const hidden = element.scrollHeight - element.clientHeight;
    if (hidden < 50 || hidden <= most || element === page || element === document.body) continue;
    if (element.clientHeight < innerHeight * .5 || element.clientWidth < innerWidth * .5) continue;
    if (!/auto|scroll/.test(getComputedStyle(element).overflowY)) continue;
    [best, most] = [element, hidden];
  }
  return best && page.scrollHeight < innerHeight + most ? best : page;
};"""

SCROLL_TO = f"""(top) => {{
  {_ELEMENTS}
  {_SCROLLER}
  {_ZOOM}
  const found = scroller();
  found.scrollTo({{top: top / zoom, behavior: 'instant'}});
  return {{height: found.scrollHeight * zoom, step: Math.min(innerHeight, found.clientHeight || innerHeight) * zoom}};
}}"""

_EXTENT = f"""const scrollers_of = inner => {{
  const found = [];
  for (let each = inner; each && each !== document.body && each !== document.documentElement; each = each.parentElement)
    if (each === inner || /auto|scroll/.test(getComputedStyle(each).overflowY)) found.push(each);
  return found;
}};
const extent = () => {{
  {_ZOOM}
  const page = document.scrollingElement ?? document.documentElement;
  const found = globalThis.inner ?? page;
  const inside = scrollers_of(found).reduce((sum, each) => sum + each.scrollHeight - each.clientHeight, 0);
  let bottom = 0;
  for (const element of elements()) {{
    if (element === document.documentElement || element === document.body) continue;
    const box = element.getBoundingClientRect();
    if (box.width && box.height && box.bottom > bottom && getComputedStyle(element).position !== 'fixed')
      bottom = box.bottom;
  }}
  const height = Math.max(page.scrollHeight, innerHeight + inside) * zoom;
  return {{height, bottom: (bottom + scrollY) * zoom, inner: found !== page, zoom}};
}};"""

TOP = f"() => {{ {_ZOOM} return {{top: scrollY * zoom, zoom}} }}"
HEIGHT = f"""() => {{
  {_ZOOM}
  return {{height: (document.scrollingElement ?? document.documentElement).scrollHeight * zoom, zoom}};
}}"""

# Takes away the perspective of a scroller, which moves its layers against each other: each is shown as large, and there, as
# when it is in the middle of the window. Their order in depth stays.
_FLATTEN = """const flatten = box => {
  const depth = parseFloat(getComputedStyle(box).perspective);
  if (!depth) return;
  for (const element of elements(box)) {
    const {transform} = getComputedStyle(element);
    if (!transform.startsWith('matrix3d')) continue;
    const at = new DOMMatrix(transform), size = depth / (depth - at.m43);
    if (at.m13 || at.m23 || at.m31 || at.m32 || !(size > 0)) continue;
    for (const name of ['m11', 'm12', 'm21', 'm22', 'm41', 'm42']) at[name] *= size;
    set(element, {transform: at.toString()});
  }
  set(box, {perspective: 'none'});
};"""

# Takes back what keeps the page from being as tall as its content: a lock of scrolling on the document. An inner scroller
# grows with the window in most layouts. Where it did not, or lies in another one, `always` takes back its height, and
# those of all around it.
UNFOLD = f"""(always) => {{
  {_ELEMENTS}
  {_SCROLLER}
  {_EXTENT}
  {_FLATTEN}
  const set = (element, values) => {{
    for (const [name, value] of Object.entries(values)) element.style.setProperty(name, value, 'important');
  }};
  for (const element of [document.documentElement, document.body]) {{
    if (!element) continue;
    const style = getComputedStyle(element);
    if (style.overflowY !== 'visible') {{
      flatten(element);
      set(element, {{overflow: 'visible'}});
    }}
    if (style.position === 'fixed') set(element, {{position: 'static', width: 'auto'}});
  }}
  const found = scroller();
  globalThis.inner ??= found === (document.scrollingElement ?? document.documentElement) ? null : found;
  const scrollers = inner ? scrollers_of(inner) : [];
  scrollers.forEach(flatten);
  if (always && scrollers.some(each => each.scrollHeight > each.clientHeight + 1))
    for (let each = inner; each && each !== document.documentElement; each = each.parentElement)
      set(each, {{height: 'auto', 'max-height': 'none', overflow: 'visible'}});
  scrollTo({{top: 0, behavior: 'instant'}});
  return extent();
}}"""

# Writes lengths that follow the window, such as `10vh`, in pixels, and decides media queries on its height or its shape; if
# it is about to become wider too (`widens`), also those that follow its width. Style sheets of other sites cannot be read.
FIX_UNITS = f"""(widens) => {{
  {_ELEMENTS}
  const queries = widens ? /width|height|orientation|aspect-ratio/ : /height|orientation|aspect-ratio/;
  const decide = (owner, name) => {{
    const media = owner[name];
    if (queries.test(media) && !/print/.test(media))
      owner[name] = matchMedia(media).matches ? 'all' : 'not all';
  }};
  const unit = {{h: innerHeight / 100, b: innerHeight / 100, min: Math.min(innerHeight, innerWidth) / 100,
    max: Math.max(innerHeight, innerWidth) / 100, w: innerWidth / 100, i: innerWidth / 100}};
  const lengths = widens ? /(-?\\d*\\.?\\d+)[sld]?v(h|b|w|i|min|max)\\b/g : /(-?\\d*\\.?\\d+)[sld]?v(h|b|min|max)\\b/g;
  const fix = style => {{
    if (globalThis.inner || !/\\dv|\\d[sld]v/.test(style?.cssText ?? '')) return;
    for (const name of [...style]) {{
      const value = style.getPropertyValue(name);
      const fixed = value.replace(lengths, (_, count, of) => count * unit[of] + 'px');
      if (fixed !== value) style.setProperty(name, fixed, style.getPropertyPriority(name));
    }}
  }};
  const visit = rules => {{
    for (const rule of rules) {{
      fix(rule.style);
      if (rule instanceof CSSMediaRule) decide(rule.media, 'mediaText');
      if (rule.cssRules?.length) visit(rule.cssRules);
    }}
  }};
  const roots = [document];
  for (const element of elements()) {{
    if (element.shadowRoot) roots.push(element.shadowRoot);
    if (element.matches('link[media], style[media], source[media]')) decide(element, 'media');
    fix(element.style);
  }}
  for (const root of roots)
    for (const sheet of [...root.styleSheets, ...root.adoptedStyleSheets]) try {{ visit(sheet.cssRules) }} catch {{}}
}}"""

# In a window as tall as the page, `100vh` would grow with it. What grew with the window gets its old height back, from
# the innermost elements outwards, as their parents then shrink by themselves. What is fixed to the window is meant to
# grow with it, and so is all around an inner scroller. The world of these scripts lives as long as the document.
#
# The styles are known at once, and what the handlers of `resize` have set in the frame that they run in. What grows later
# has more to show, as it is seen now. A list that handlers have given more rows, since more fit in, shows as many as before.
REMEMBER_SIZES = f"""(most) => {{
  {_ELEMENTS}
  const sizes = new Map(), filled = new Set(), before = innerHeight;
  for (const element of elements(globalThis.inner ?? document)) {{
    if (sizes.size === most) break;
    sizes.set(element, element.getBoundingClientRect().height);
  }}
  const remember = ({{target, addedNodes}}) => {{
    if (![...addedNodes].some(node => node.nodeType === Node.ELEMENT_NODE)) return;
    for (let each = target; each && !filled.has(each); each = each.parentNode ?? each.host) filled.add(each);
  }};
  const filling = new MutationObserver(records => records.forEach(remember));
  filling.observe(document, {{childList: true, subtree: true}});
  const is_fixed = element => {{
    for (let each = element; each instanceof Element; each = each.parentElement ?? each.getRootNode().host)
      if (getComputedStyle(each).position === 'fixed') return true;
    return false;
  }};
  const set = (element, values) => {{
    for (const [name, value] of Object.entries(values)) element.style.setProperty(name, value, 'important');
  }};
  const height_of = element => element.getBoundingClientRect().height;
  globalThis.pin_sizes = () => {{
    filling.takeRecords().forEach(remember);
    if (innerHeight === before) return;
    for (const [element, height] of [...sizes].reverse()) {{
      if (element === document.documentElement || element === document.body || !element.style || height < 20) continue;
      const growth = (height_of(element) - height) / (innerHeight - before);
      if (growth < .05 || growth > 1.5 || is_fixed(element)) continue;
      const is_free = String(element.computedStyleMap().get('height')) === 'auto';
      set(element, {{'min-height': height + 'px', 'box-sizing': 'border-box'}});
      if (is_free && height_of(element) <= height + .5) continue;  // it may still grow with what it holds
      set(element, {{height: height + 'px', 'max-height': height + 'px'}});
      if (filled.has(element) && element.scrollHeight > element.clientHeight + 1) set(element, {{'overflow-y': 'clip'}});
    }}
  }};
  globalThis.is_pinned = false;
  const end = () => {{
    pin_sizes();
    filling.disconnect();
    is_pinned = true;
  }};
  addEventListener('resize', () => requestAnimationFrame(end), {{once: true}});
}}"""

PIN_SIZES = "() => { if (!is_pinned) pin_sizes() }"

BRING_INTO_VIEW = """(selector) => {
  const element = document.querySelector(selector);
  element?.scrollIntoView({block: 'center', behavior: 'instant'});
  return element !== null;
}"""

# The place of an element in the document, which is scrolled to `top`, and how `wide` a window must be to hold it. What
# clips the element is unfolded, and what is fixed over it is hidden.
BOX = f"""(selector, top) => {{
  {_ZOOM}
  const element = document.querySelector(selector);
  if (!element) return null;
  const set = (each, values) => {{
    for (const [name, value] of Object.entries(values)) each.style.setProperty(name, value, 'important');
  }};
  const is_cut = (each, style) => {{
    const [{{left, right}}, outer] = [element.getBoundingClientRect(), each.getBoundingClientRect()];
    return style.overflowX !== 'visible' && (right > outer.right + 1 || left < outer.left - 1);
  }};
  for (let each = element.parentElement; each && each !== document.body; each = each.parentElement) {{
    const style = getComputedStyle(each);
    if (style.overflowY !== 'visible' && each.scrollHeight > each.clientHeight + 1)
      set(each, {{overflow: 'visible', height: 'auto', 'max-height': 'none'}});
    else if (is_cut(each, style))  // what may scroll has no least width, and keeps that as an item of a flex box
      set(each, {{overflow: 'visible', ...style.minWidth === 'auto' ? {{'min-width': 0}} : {{}}}});
  }}
  for (const each of document.querySelectorAll('*'))
    if (!each.contains(element) && !element.contains(each) && /fixed|sticky/.test(getComputedStyle(each).position))
      each.style?.setProperty('visibility', 'hidden', 'important');
  const roots = [document.documentElement, document.body].filter(Boolean);
  for (const each of roots) {{
    const style = getComputedStyle(each);
    if (style.overflowY === 'hidden' || is_cut(each, style)) set(each, {{overflow: 'visible'}});
  }}
  scrollTo({{top: top / zoom, behavior: 'instant'}});
  const box = element.getBoundingClientRect();
  const [x, y, width, height] = [box.x + scrollX, box.y + scrollY, box.width, box.height].map(length => length * zoom);
  const leftwards = roots.some(each => getComputedStyle(each).direction === 'rtl') ? Math.max(0, -x) : 0;
  return {{x, y, width, height, zoom, wide: x + width + leftwards}};
}}"""

# Keeps the layout of a window that becomes wider: what is beside the page is room for what is too wide for it. In a page
# from right to left, that is at its left side.
KEEP_WIDTH = """(more) => {
  const [root, body] = [document.documentElement, document.body];
  const leftwards = [root, body].some(each => each && getComputedStyle(each).direction === 'rtl');
  const {x, width} = root.getBoundingClientRect();
  const values = {width: width + 'px', 'box-sizing': 'border-box', 'max-width': 'none',
    'margin-left': x + scrollX + (leftwards ? more : 0) + 'px', 'margin-right': 'auto'};
  for (const [name, value] of Object.entries(values)) root.style.setProperty(name, value, 'important');
}"""


def call_expression(function: str, *arguments: object) -> str:
    """Make the expression that calls `function`. The arguments are JSON, so they cannot be code."""
    return f"({function})({', '.join(json.dumps(argument) for argument in arguments)})"
