// Presses what refuses, and never anything else.

// A link to elsewhere is not pressed, whatever it says: it would leave the page.
const leaves = button => {
  const link = button.closest('a[href]');
  if (!link || link.getAttribute('href').startsWith('#') || link.protocol === 'javascript:') return false;
  return link.target === '_blank' || link.href.split('#')[0] !== link.ownerDocument.URL.split('#')[0];
};

// Press a button so that its scripts run, but no link is followed and no form is sent by it.
const press = button => {
  const root = button.getRootNode();
  const stay = event => {
    const link = event.target.closest('a[href]');
    if (event.type === 'submit' ? event.target.method !== 'dialog' : link && link.protocol !== 'javascript:') event.preventDefault();
  };
  for (const type of ['click', 'submit']) root.addEventListener(type, stay, {capture: true});
  try {
    button.click();
  } finally {
    for (const type of ['click', 'submit']) root.removeEventListener(type, stay, {capture: true});
  }
};

// Refuse a banner of `tool`, or of no known one. Returns whether there was a button for it.
const refuse = (box, tool, words, state) => {
  const inside = [...elements_in(box)];
  const select = selectors => selectors?.length ? inside.filter(each => each.matches(selectors.join())) : [];
  const may_press = button => !state.pressed.has(button) && is_drawn(button) && has_size(button) && !button.disabled
    && button.ariaDisabled !== 'true' && !leaves(button) && !words.accept.test(label_of(button));
  const refusing = [...select(tool.refuse), ...select([BUTTONS]).filter(each => words.refuse.test(label_of(each)))];
  let button = refusing.find(may_press);
  if (!button && !state.opened && !refusing.some(each => state.pressed.has(each)))
    state.opened = button = select(tool.settings).find(may_press);
  if (!button) return false;
  state.pressed.add(button);
  press(button);
  return true;
};

// The rules of all tools: a frame of another site has none of the names that its tool is recognised by.
const any_of = tools => ({
  refuse: tools.flatMap(tool => tool.refuse ?? []),
  settings: tools.flatMap(tool => tool.settings ?? []),
});
