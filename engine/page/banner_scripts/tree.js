// The flat tree: what a person sees of a page, through open shadow roots and frames of the same origin.

const MOST_ROOTS = 300, MOST_ELEMENTS = 50_000, MOST_INSIDE = 300, MOST_TEXT = 8000;

const parent_of = node => node.assignedSlot ?? node.parentElement ?? node.getRootNode().host
  ?? (node.ownerDocument === document ? null : node.ownerDocument.defaultView?.frameElement);

const children_of = node => {
  if (node.shadowRoot) return node.shadowRoot.childNodes;
  if (node.localName === 'slot' && node.assignedNodes().length) return node.assignedNodes();
  const inner = node.localName === 'iframe' ? node.contentDocument?.body : null;
  return inner ? [inner] : node.childNodes;
};

function* elements_in(node) {
  for (const child of children_of(node))
    if (child.nodeType === Node.ELEMENT_NODE) {
      yield child;
      yield* elements_in(child);
    }
}

const is_drawn = element => element.checkVisibility({opacityProperty: true, visibilityProperty: true});

const has_size = element => {
  const {width, height} = element.getBoundingClientRect();
  return width * height > 0;
};

const is_in_window = element => {
  const {left, right, top, bottom} = element.getBoundingClientRect(), {innerWidth, innerHeight} = element.ownerDocument.defaultView;
  return is_drawn(element) && has_size(element) && right > 0 && bottom > 0 && left < innerWidth && top < innerHeight;
};

// A closed shadow root cannot be looked into, but what is drawn of it counts as its host.
const is_hit = element => [.05, .5, .95].some(x => [.05, .5, .95].some(
  y => document.elementFromPoint(x * innerWidth, y * innerHeight) === element));

// Whether some of an element is in the window. A wrapper may have no size: then its content counts.
const shows = element => {
  if (is_in_window(element)) return true;
  if (!element.checkVisibility() && getComputedStyle(element).display !== 'contents') return false;
  let left = MOST_INSIDE;
  for (const inner of elements_in(element)) if (is_in_window(inner)) return true; else if (!--left) break;
  return left === MOST_INSIDE && is_hit(element);
};

// The text that can be read, or little more than `most` characters of it.
const text_of = (node, most = MOST_TEXT) => {
  if (node.nodeType === Node.TEXT_NODE) return node.data.replace(/\s+/g, ' ');
  if (node.nodeType !== Node.ELEMENT_NODE || node.localName !== 'slot' && !is_drawn(node)) return '';
  let all = '';
  for (const child of children_of(node)) {
    all += ' ' + text_of(child, most);
    if (all.length > most) break;
  }
  return all;
};

// In lower case, a Turkish capital İ keeps its dot as a mark of its own. Words of Arabic and Hebrew are written with and
// without vowel signs; in other scripts, such signs are part of the word.
const VOWELS = /[\u0307\u0591-\u05bd\u05bf-\u05c7\u064b-\u065f\u0670\u0640\p{Cf}]/gu;
const plain = text => text.normalize().toLowerCase().replace(VOWELS, '').replace(/[^\p{L}\p{M}\p{N}]+/gu, ' ').trim();

const label_of = button =>
  plain(button.localName === 'input' ? button.value : text_of(button, 100)) || plain(button.ariaLabel || button.title || '');

const most_of = (root, selector) => Array.prototype.slice.call(root.querySelectorAll(selector), 0, MOST_ELEMENTS);

// The document, all open shadow roots, and all documents of the same origin.
const roots_of_page = () => {
  const roots = [document];
  for (const root of roots)
    for (const element of most_of(root, '*')) {
      const inner = element.shadowRoot ?? element.contentDocument;
      if (inner && roots.length < MOST_ROOTS) roots.push(inner);
    }
  return roots;
};
