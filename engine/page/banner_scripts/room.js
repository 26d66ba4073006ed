// Takes back the room that a banner at the top or at the bottom has made for itself: the page begins below it.

const NEAR = 1, MOST_ROOMY = 3000, ROOM_NAMES = /banner|cookie|consent|gdpr|notice|privacy|message|alert|top-?bar|offset/i;
const DRAWN = 'img, video, canvas, svg, iframe, input, button';

const is_near = (length, other) => Math.abs(length - other) <= NEAR;

// The part of the window that a banner takes, or null if it is no bar at an edge.
const bar_of = box => {
  const parts = has_size(box) ? [box] : [...elements_in(box)].slice(0, MOST_INSIDE).filter(is_in_window);
  for (const part of parts) {
    const {top, bottom, width, height} = part.getBoundingClientRect();
    if (width < innerWidth * .6 || height > innerHeight * .6 || height < 10) continue;
    if (Math.abs(top) < 10) return {side: 'top', size: bottom};
    if (Math.abs(bottom - innerHeight) < 10) return {side: 'bottom', size: innerHeight - top};
  }
  return null;
};

const is_blank = element => {
  const {backgroundImage, backgroundColor} = getComputedStyle(element);
  return backgroundImage === 'none' && /, 0\)$/.test(backgroundColor) && !element.matches(DRAWN) && !element.querySelector(DRAWN)
    && !plain(text_of(element, 50));
};

// Whether most of the strip at the top shows nothing but `own`, and what lies around that or below all.
const is_empty = (size, own) => {
  const spots = [.1, .3, .5, .7, .9].flatMap(x => [.25, .5, .75].map(y => document.elementFromPoint(x * innerWidth, y * size)));
  return spots.filter(each => each && !each.contains(own) && !covers_window(each) && !is_blank(each)).length < spots.length / 2;
};

// Variables that hold the height of the banner.
const reset_variables = (element, size) => {
  for (const [name, [value]] of element.computedStyleMap())
    if (name.startsWith('--') && ROOM_NAMES.test(name) && /^\s*[\d.]+px\s*$/.test(value) && is_near(parseFloat(value), size))
      set(element, {[name]: '0px'});
};

// What would take `size` off an element that has a length of it, or a longer one where a header was pushed down too.
const shorter = (element, {side, size}, is_pushed) => {
  const style = getComputedStyle(element), names = [`margin-${side}`, `padding-${side}`];
  if (style.position !== 'static') names.push(side);
  const takes = length => is_near(length, size) || is_pushed && length > size;
  for (const name of names) {
    const length = parseFloat(style.getPropertyValue(name));
    if (!takes(length)) continue;
    if (name.startsWith('padding') && !element.contains(document.body) && !element.style.getPropertyValue(name)
      && !/, 0\)$/.test(style.backgroundColor)) continue;  // a coloured part of the page, whose style sheet says so
    return {[name]: is_near(length, size) ? '0px' : length - size + 'px'};
  }
  const {m41, m42} = new DOMMatrixReadOnly(style.transform === 'none' ? '' : style.transform);
  if (!m41 && is_near(side === 'top' ? m42 : -m42, size)) return {transform: 'none'};
  const {top, height} = element.getBoundingClientRect();
  return side === 'top' && is_near(top, 0) && is_near(height, size) && is_blank(element) ? {display: 'none'} : null;
};

const take_room_back = bar => {
  const {side, size} = bar, still = {transition: 'none'};
  const wrappers = [...document.querySelectorAll(WRAPPERS)].slice(0, MOST_ROOMY), roots = [document.documentElement, document.body];
  for (const each of roots) reset_variables(each, size);
  if (side === 'bottom') {  // only what a script has set there is known to be the banner's
    for (const each of roots) if (each.getAttribute('style')) set(each, shorter(each, bar, false) ?? {});
    return;
  }
  if (scrollY) return;
  const pushed = most_of(document, '*').slice(0, MOST_ROOMY).filter(each => is_near(each.getBoundingClientRect().top, size)
    && /fixed|sticky|absolute/.test(getComputedStyle(each).position) && shows(each) && is_empty(size, each));
  const pull = (each, is_pushed) => {
    const values = shorter(each, bar, is_pushed);
    if (values && (pushed.includes(each) || is_empty(size, each))) set(each, {...still, ...values});
  };
  for (const each of wrappers) if (!pushed.includes(each)) pull(each, pushed.length > 0);
  for (const each of pushed) if (is_near(each.getBoundingClientRect().top, size)) pull(each, false);
};
