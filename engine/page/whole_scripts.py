"""The functions of `scripts` that show a page as a whole, or an element of it, whatever the window shows."""

from engine.page.scripts import ELEMENTS

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
  {ELEMENTS}
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
  {ELEMENTS}
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
  {ELEMENTS}
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
  {ELEMENTS}
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

# What hides the element until it is searched for is opened, as a link to the element would: it has a size, but is not drawn.
BRING_INTO_VIEW = """(selector) => {
  const element = document.querySelector(selector);
  for (let each = element?.parentElement; each; each = each.parentElement)
    if (each.localName === 'details' && element.closest('summary')?.parentElement !== each) each.open = true;
    else if (each.hidden === 'until-found') each.hidden = false;
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
