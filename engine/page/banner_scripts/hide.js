// Hides banners, and takes back what they did to the page behind them.

const MOST_WRAPPERS = 3000, WRAPPERS = ':root, body, body > *, body > * > *, body > * > * > *';
const LOCKS = /no-?scroll|scroll-?lock|lock(ed)?-?scroll|(modal|popup|overlay|dialog)-?(is-?)?(open|active|visible|shown)|blur/i;
const VEILS = /blur|brightness|grayscale|opacity|contrast|saturate|sepia/;

const set = (element, values) => {
  for (const [name, value] of Object.entries(values)) element.style?.setProperty(name, value, 'important');
};

// A constructed sheet passes a Content-Security-Policy that refuses inline styles, and hides what the page adds later.
// What has an ordinary name is hidden as a box alone, since the sheet cannot tell whether it lies above the page.
// Each selector has a rule of its own, so that one unknown to this Chromium does not disable the others.
const hide = (boxes, tools, roots) => {
  const selectors = tools.flatMap(tool => [...tool.banner ?? [], ...tool.hide ?? []]);
  const sheet = new CSSStyleSheet();
  for (const selector of selectors) try { sheet.insertRule(`${selector}:not(:root, body) {display: none !important}`) } catch {}
  document.adoptedStyleSheets.push(sheet);
  const inside = roots.slice(1).flatMap(root => [...root.querySelectorAll(selectors.join())]);
  for (const element of [...boxes, ...inside]) set(element, {display: 'none'});
};

// Whether an element without content covers the window and the page behind it.
const is_shade = (element, style) => {
  const {width, height} = element.getBoundingClientRect();
  const is_placed = style.position === 'fixed' || style.position === 'absolute' && element.parentElement === document.body;
  if (!is_placed || width < innerWidth * .9 || height < innerHeight * .9 || style.backgroundImage !== 'none') return false;
  if (element.querySelector('img, video, canvas, svg, iframe') || plain(text_of(element, 50))) return false;
  const [, alpha = 1] = /(?:rgba.*,|\/) ?([\d.]+)\)$/.exec(style.backgroundColor) ?? [];
  return style.backdropFilter !== 'none' || alpha > 0 && (alpha * style.opacity < 1 || style.zIndex > 0);
};

// Take back the lock of scrolling on the document, and blur, filters and shades on it and its wrappers.
const unveil = () => {
  for (const element of [document.documentElement, document.body]) {
    for (const name of [...element.classList]) if (NAMES.test(name) || LOCKS.test(name)) element.classList.remove(name);
    const style = getComputedStyle(element);
    if (element.style.overflow === 'hidden') element.style.paddingRight = '';  // in place of the scroll bar
    if (/hidden|clip/.test(style.overflowY)) set(element, {'overflow-y': 'visible'});
    if (style.position === 'fixed') set(element, {position: 'static', width: 'auto'});
  }
  for (const element of most_of(document, '*').slice(0, MOST_WRAPPERS)) {
    const style = getComputedStyle(element), {width, height} = element.getBoundingClientRect();
    const is_wrapper = element.matches(WRAPPERS) || height > innerHeight / 2;
    if (is_shade(element, style)) set(element, {display: 'none'});
    else if (is_wrapper && width >= innerWidth / 2 && plain(text_of(element, 50))) {
      if (VEILS.test(style.filter)) set(element, {filter: 'none'});
      if (style.opacity > 0 && style.opacity < 1) set(element, {opacity: 1});
    }
  }
};
