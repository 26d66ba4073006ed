// Recognises the banners of one document, refuses them and hides them, as far as asked. Runs in an isolated world, in the
// page or in a frame that lies above it. Such a `framed` document may be a banner as a whole.
//
// Returns the number of banners `found` now, of buttons `pressed`, and of `frames`, listed in `banners.frames`, which only
// a run inside each can judge; and whether this document is a banner as a `whole`. The caller adds frames that are to
// `banners.spoke`.
const run = ({tools, words}, {pressing = false, hiding = false, framed = false}) => {
  const state = globalThis.banners ??= {boxes: new Set(), frames: [], spoke: new Set(), pressed: new Set(), opened: null, veil: false,
    bars: new Map()};
  if (!document.body) return {found: 0, pressed: 0, frames: 0, whole: false};
  const unknown = {consent: true}, roots = roots_of_page(), found = new Map(), patterns = words && words_of(words);
  for (const [element, tool] of named(tools, roots))
    if (!found.has(element) && (tool ? is_of_tool(element, tool) : words && is_named_banner(element, patterns))) found.set(element, tool ?? unknown);
  if (words && roots.some(root => patterns.about.test((root.body ?? root).textContent)))
    for (const search of [spoken, told])
      for (const box of search(patterns, roots, framed)) if (![...found.keys()].some(each => each.contains(box))) found.set(box, unknown);
  for (const frame of state.spoke) if (shows(frame)) found.set(box_of_frame(frame), unknown);

  let pressed = 0;
  for (const [box, tool] of found) {
    state.boxes.add(box);
    state.veil ||= tool.consent || tool.modal;
    const bar = bar_of(box);
    if (bar) state.bars.set(`${bar.side} ${bar.size}`, bar);
    const rules = box === document.body ? any_of(tools) : tool;
    if (pressing && tool.consent && shows(box)) pressed += refuse(box, rules, patterns, state);
  }
  if (hiding && state.boxes.size) {
    hide(state.boxes, tools, roots);
    if (state.veil) unveil();
    for (const bar of state.bars.values()) take_room_back(bar);
  }
  state.frames = words ? closed_frames(roots, state.boxes) : [];
  return {found: found.size, pressed, frames: state.frames.length, whole: state.boxes.has(document.body)};
};
