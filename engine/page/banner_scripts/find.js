// Recognises banners: by the names that tools give them, or by their words.

const BUTTONS = 'button, a, input[type=button], input[type=submit], [role=button], [onclick], [tabindex], '
  + '[class*=btn i], [class*=button i]';
const DIALOGS = 'dialog[open], [role=dialog], [role=alertdialog], [aria-modal=true], [popover]';
// A banner has none of these: it is the page itself, a log-in or a subscription.
const CONTENT = 'main, article, nav, [role=main], input[type=email], input[type=password], input[type=tel]';
const FIELDS = 'iframe, video, audio, canvas, [contenteditable], [role=textbox], textarea, select, '
  + 'input:not([type=button], [type=submit], [type=checkbox], [type=radio], [type=hidden])';
const NO_SENTENCES = `${CONTENT}, a[href], h1, h2, h3, h4, h5, h6, script, style, template, noscript, button, title`;
const NAMES = /cookie|consent|gdpr|dsgvo|rgpd/i;
// Names that only banners have. A bakery has a `cookie-shop-header`, and what is not the banner may have a `has-cookie-banner`.
const BANNER_NAMES = RegExp('^(?!(has|with|show|no|is)[-_]|.*(open|active|visible|shown|enabled|closed|accepted)$)(.*('
  + '(cookies?|consent|gdpr|dsgvo|rgpd)[-_]*((law|policy|info|accept)[-_]*)?(banner|bar(?![a-z])|notice|notification|consent|'
  + 'popup|pop-up|modal|overlay|dialog|alert|message|warning|disclaimer|prompt|wall|law|compliance|hinweis|melding)'
  + '|(banner|notice|notification|popup|modal|alert|bandeau|aviso|avis|barra)[-_]*(de[-_])?cookies?).*|gdpr|dsgvo|rgpd)$', 'i');
const MOST_CHOICES = 200, DEPTH = 30, MOST_LINKS = 3;
const MOST_SENTENCES = 20, SHORTEST_SENTENCE = 12, REACH = 45, MOST_LABELS = 4;

const words_of = ({about, consent, uses, refuse, accept}) => {
  const some = patterns => RegExp(patterns.join('|'), 'i'), whole = patterns => RegExp(`^(?:${patterns.join('|')})$`, 'u');
  return {about: some(about), consent: some(consent), uses: some(uses), refuse: whole(refuse), accept: whole(accept)};
};

const tells = (text, words) => words.about.test(text) && (words.consent.test(text) || words.uses.test(text));

const buttons_in = box => [...elements_in(box)].filter(each => each.matches(BUTTONS));

const speaks = (box, text, words) => {
  if (!words.about.test(text)) return false;
  if (tells(text, words)) return true;
  const labels = buttons_in(box).map(label_of);
  return labels.some(label => words.refuse.test(label)) && labels.some(label => words.accept.test(label));
};

const names_of = element => `${element.id} ${element.getAttribute('class') ?? ''}`;

// The elements that tools are recognised by, each with its tool, and those whose names tell what they are for, with none.
// Plain names are looked up in passing, as that is fast.
const named = function* (tools, roots) {
  const tool_of = new Map(), others = new Map(), known = new Map();
  for (const tool of tools)
    for (const selector of [...tool.banner ?? [], ...tool.overlay ?? []]) (/^[#.][\w-]+$/.test(selector) ? tool_of : others).set(selector, tool);
  const look_up = names => {
    const [id, ...classes] = names.split(/\s+/);
    const tool = tool_of.get('#' + id) ?? classes.map(name => tool_of.get('.' + name)).find(Boolean);
    return tool ?? (NAMES.test(names) ? null : undefined);
  };
  const all_others = [...others.keys()].join();
  for (const root of roots) {
    for (const element of most_of(root, '[id], [class]')) {
      if (element === document.documentElement || element === document.body) continue;
      const names = names_of(element);
      if (!known.has(names)) known.set(names, look_up(names));
      if (known.get(names) !== undefined) yield [element, known.get(names)];
    }
    for (const element of root.querySelectorAll(all_others))
      yield [element, others.get([...others.keys()].find(selector => element.matches(selector)))];
  }
};

const floats = element => {
  const {position, zIndex} = getComputedStyle(element);
  return position === 'fixed' || position === 'sticky' || position === 'absolute' && zIndex >= 10 || element.matches(DIALOGS);
};

// Whether an element is made to lie above the page, or is a bar at its top whose name tells what it is for.
const lies_above = element => {
  if (floats(element)) return true;
  const {top, width, height} = element.getBoundingClientRect();
  return NAMES.test(names_of(element)) && top + scrollY < 10 && width > innerWidth * .9 && height < innerHeight / 2;
};

// Whether an element without a name is a bar at the top of the page, in its flow, and pushes the page down.
const pushes_page = element => {
  const {top, width, height, bottom} = element.getBoundingClientRect();
  if (top + scrollY >= 10 || width <= innerWidth * .9 || height >= innerHeight / 2 || element.querySelector('h1')) return false;
  for (let each = element; each && each !== document.body; each = parent_of(each))
    for (let next = each.nextElementSibling; next; next = next.nextElementSibling)
      if (next.getBoundingClientRect().top >= bottom - 1 && is_drawn(next) && has_size(next)) return true;
  return false;
};

// Whether all that an element shows is made to lie above the page: the element itself, or each part that it wraps.
const is_overlay = element => {
  if (lies_above(element)) return true;
  const parts = [...children_of(element)].filter(each =>
    each.nodeType === Node.TEXT_NODE ? each.data.trim() : each.nodeType === Node.ELEMENT_NODE && shows(each));
  return parts.length > 0 && parts.every(each => each.nodeType === Node.ELEMENT_NODE && is_overlay(each));
};

const covers_window = (element, part = .75) => {
  const {width, height} = element.getBoundingClientRect();
  return width * height > part * innerWidth * innerHeight;
};

// Whether an element is the page itself, or all that there is of it: it fills the window, with nothing beside or behind it.
const is_page = element => {
  if (element.ownerDocument !== document || !covers_window(element) || element.matches(DIALOGS)) return false;
  for (let each = element; each && each !== document.body; each = parent_of(each))
    for (const other of parent_of(each)?.children ?? [])
      if (other !== each && covers_window(other, .02) && is_drawn(other)) return false;
  return true;
};

// Whether an element that has a tool's name is its banner. An ordinary name may be any other part of a page, too.
const is_of_tool = (element, tool) => shows(element) && (tool.banner?.some(each => element.matches(each))
  || is_overlay(element) && !element.matches(CONTENT) && !element.querySelector(CONTENT) && !is_page(element));

// The banner that a button, or a text, belongs to: the outermost box that lies above the page and says hardly more than the
// smallest one around it that speaks of consent. In the flow of the page, only a bar at its top is one.
const box_around = (node, words, framed, may_be_box = lies_above) => {
  const around = [];
  for (let each = parent_of(node); each && around.length < DEPTH; each = parent_of(each)) {
    if (each === document.documentElement || each === document.body && !framed) break;
    around.push(each);
  }
  const is_candidate = each => each === document.body || may_be_box(each);
  if (!around.some(is_candidate)) return null;
  let box = null, known = '', longest = MOST_TEXT, most_links = Infinity;
  for (const each of around) {
    const text = text_of(each), links = each.querySelectorAll('a[href]').length;
    if (text.length > longest || links > most_links || each.matches(CONTENT) || each.querySelector(CONTENT)) break;
    if (!known && !speaks(each, text, words)) continue;
    if (!framed && plain(text) !== known && (box ? covers_window(each) : is_page(each))) break;
    if (!known) [known, longest, most_links] = [plain(text), text.length * 1.3 + 100, links + MOST_LINKS];
    if (is_candidate(each)) [box, longest] = [each, text.length + 50];
  }
  return box;
};

// The banners of buttons that refuse or accept. Equal texts are judged once.
const spoken = function* (words, roots, framed) {
  const judged = new Map();
  const decides = button => {
    const label = label_of(button);
    return words.refuse.test(label) || words.accept.test(label);
  };
  let choices = 0;
  for (const button of roots.flatMap(root => most_of(root, BUTTONS))) {
    const text = button.textContent;
    if (text.length > 200 || choices === MOST_CHOICES) continue;
    if (!judged.has(text)) judged.set(text, decides(button));
    if (!(text ? judged.get(text) : decides(button)) || !shows(button)) continue;
    choices++;
    const box = box_around(button, words, framed) ?? (framed ? null : box_around(button, words, framed, pushes_page));
    if (box) yield box;
  }
};

// Whether the sentence around a text speaks of consent. A cart may hold cookies, and elsewhere ask for consent.
const is_sentence = (node, words) => {
  let text = node.data;
  for (let each = parent_of(node); each && plain(text).length < SHORTEST_SENTENCE; each = parent_of(each)) text = text_of(each, 300);
  return text.split(/[.!?:;。！？]/).some(sentence => {
    const about = words.about.exec(sentence);
    return about && tells(sentence.slice(Math.max(0, about.index - REACH), about.index + about[0].length + REACH), words);
  });
};

// Whether a box that speaks of consent is a banner, although its buttons have words of their own, or are icons: it asks for
// nothing but a press, and only after it has spoken. A log-in speaks of consent last.
const only_asks = (box, node, words) => {
  const {position} = getComputedStyle(box);
  if (position === 'absolute' && !box.matches(DIALOGS) || box.querySelector(FIELDS) || covers_window(box)) return false;
  const controls = [...elements_in(box)].filter(each => each.matches(`${BUTTONS}, svg, [class*=close i]`) && !leaves(each)
    || /^[×✕✖✗✘x]$/i.test(each.textContent.trim()));
  const labelled = controls.filter(label_of);
  return controls.length > 0 && labelled.length <= MOST_LABELS && labelled.every(each =>
    words.accept.test(label_of(each)) || node.compareDocumentPosition(each) & Node.DOCUMENT_POSITION_FOLLOWING);
};

// The banners of sentences about consent.
const told = function* (words, roots, framed) {
  let sentences = 0;
  for (const root of roots) {
    const walker = document.createTreeWalker(root.body ?? root, NodeFilter.SHOW_TEXT);
    for (let left = MOST_ELEMENTS; left-- && walker.nextNode();) {
      const node = walker.currentNode, element = node.parentElement;
      if (node.data.length > 2000 || !words.about.test(node.data) || element?.closest(NO_SENTENCES)) continue;
      if (sentences++ === MOST_SENTENCES) return;
      if (!is_sentence(node, words)) continue;
      const box = box_around(node, words, framed);
      if (box && only_asks(box, node, words)) yield box;
    }
  }
};

// Whether a box that is named like a banner is one, although it has no button with words. Where only banners are named so,
// one word is enough, in whatever language the rest is. Menus have more links, and other parts of a page fill the window.
const is_named_banner = (box, words) => {
  if (!lies_above(box) || !shows(box) || box.querySelector(CONTENT) || is_page(box)) return false;
  const text = text_of(box);
  if (text.length >= MOST_TEXT) return false;
  if (tells(text, words)) return true;
  return names_of(box).split(/\s+/).some(name => BANNER_NAMES.test(name)) && floats(box) && !covers_window(box)
    && (words.about.test(text) || words.consent.test(text)) && [...box.querySelectorAll('a[href]')].filter(leaves).length <= MOST_LINKS;
};

// Frames above the page, or inside a banner, whose documents are closed to this one.
const closed_frames = (roots, boxes) => roots.flatMap(root => [...root.querySelectorAll('iframe')]).filter(frame => {
  const {width, height} = frame.getBoundingClientRect();
  if (frame.contentDocument || width < 200 || height < 50 || !shows(frame)) return false;
  for (let each = frame; each && each !== document.body; each = parent_of(each))
    if (boxes.has(each) || lies_above(each)) return true;
  return false;
});

// The box to hide for a frame that is a banner: the outermost one above the page that has little else to say.
const box_of_frame = frame => {
  let box = frame;
  for (let each = frame; each && each !== document.body; each = parent_of(each)) {
    if (text_of(each).length > 300) break;
    if (lies_above(each)) box = each;
  }
  return box;
};
