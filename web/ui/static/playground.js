// The form of the front door, sent without a new page. The server writes all that is shown.
// Once a person has pressed Capture, a changed option shows at once.

const [form, result, code, said, draw] = ["try", "result", "code", "said", "draw"].map((id) => document.getElementById(id));
const make = (name, more) => Object.assign(document.createElement(name), more);
let asking, clock, later;

async function ask(button, quietly) {
  clearTimeout(later);
  asking?.abort();
  const { signal } = (asking = new AbortController());
  const body = new URLSearchParams(new FormData(form, button));
  if (!quietly) wait(body.get("url").trim());
  try {
    const response = await fetch(form.action, { method: "POST", body, signal });
    const answer = new DOMParser().parseFromString(await response.text(), "text/html");
    if (answer.querySelector("#result")) show(answer, quietly);
    else fail(answer.querySelector("h1")?.textContent ?? `The service answered ${response.status}`);
  } catch (error) {
    if (!signal.aborted) fail("The service cannot be reached");
  }
  if (signal.aborted) return;
  clearInterval(clock);
  result.removeAttribute("aria-busy");
}

function wait(url) {
  const began = Date.now();
  const host = url.replace(/^https?:\/\//, "").split("/")[0];
  const words = result.querySelector(".shown") ? null : place("Capturing", host);
  said.textContent = `Capturing ${host}`;
  result.setAttribute("aria-busy", "true");
  clearInterval(clock);
  clock = setInterval(() => words?.replaceChildren(`${host} · ${Math.round((Date.now() - began) / 1000)} s`), 1000);
}

// Keep a place as large as the picture will be.
function place(heading, text) {
  const [box, inside, words] = [make("div", { className: "place picture" }), make("div"), make("p", { textContent: text })];
  inside.append(make("h2", { textContent: heading }), words);
  const [width, height] = ["w", "h"].map((side) => Number(form.elements[side].value));
  if (width > 0) {
    box.className += " sized";
    Object.assign(box.style, { width: `${width}px`, aspectRatio: height > 0 ? width / height : 16 / 9 });
  }
  box.append(inside);
  result.replaceChildren(box);
  return words;
}

function fail(words) {
  place(words, "Try again.");
  said.textContent = words;
}

function show(answer, quietly) {
  const came = answer.querySelector("#result");
  const focused = result.contains(document.activeElement);
  const { state, query, again } = Object.assign(result.dataset, came.dataset);
  result.replaceChildren(...came.childNodes);
  const other = answer.querySelector("#code");
  if (other.textContent !== code.textContent) code.replaceChildren(...other.childNodes); // it may have the focus
  prepare();
  complain(answer, !quietly);
  if (focused) result.querySelector("button, a")?.focus();
  said.textContent = result.querySelector("[data-said]")?.dataset.said ?? "";
  history.replaceState(null, "", `?${query}`);
  if (state === "pending") later = setTimeout(() => ask(undefined, true), 1000 * Math.min(again || 2, 30));
}

function complain(answer, focus) {
  for (const field of form.querySelectorAll("[data-field]")) {
    const other = answer.querySelector(`[data-field="${field.dataset.field}"]`);
    const [input, judged] = [field, other].map((each) => each.querySelector("[name]:not([type=hidden])"));
    for (const name of ["aria-invalid", "aria-describedby"]) {
      input.removeAttribute(name);
      if (judged.hasAttribute(name)) input.setAttribute(name, judged.getAttribute(name));
    }
    field.querySelector(".bad")?.remove();
    input.after(...other.querySelectorAll(".bad"));
  }
  const first = form.querySelector("[aria-invalid]");
  first?.closest("details")?.setAttribute("open", "");
  if (focus) first?.focus();
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  ask(event.submitter);
});

form.addEventListener("change", ({ target }) => {
  if (result.dataset.state === "nothing" && !result.ariaBusy) return;
  if (["url", "key", "code"].includes(target.name)) return;
  clearTimeout(later);
  later = setTimeout(ask, 400); // arrow keys pass through many values
});

// Where there is no clipboard, the code is selected.
code.addEventListener("click", async ({ target }) => {
  if (!target.matches(".copy")) return;
  const text = document.getElementById(target.dataset.copies);
  let copied = true;
  try {
    await navigator.clipboard.writeText(text.textContent);
  } catch {
    getSelection().selectAllChildren(text);
    copied = document.execCommand("copy");
  }
  said.textContent = target.textContent = copied ? "Copied" : "Selected: press Ctrl-C";
  setTimeout(() => (target.textContent = "Copy"), 2000);
});

// A rectangle that is drawn on the picture becomes the option `clip`.
let corner, box;
const sheet = () => result.querySelector("[data-region]");

function at(event) {
  const { left, top, width, height } = sheet().querySelector("img").getBoundingClientRect();
  const within = (value, most) => Math.max(0, Math.min(value, most));
  return [within(event.clientX - left, width), within(event.clientY - top, height)];
}

function rectangle(event) {
  const [x, y] = at(event);
  return [Math.min(x, corner[0]), Math.min(y, corner[1]), Math.abs(x - corner[0]), Math.abs(y - corner[1])];
}

function setDrawing(on) {
  draw.setAttribute("aria-pressed", on);
  sheet()?.classList.toggle("drawable", on);
}

draw?.addEventListener("click", () => {
  setDrawing(draw.getAttribute("aria-pressed") !== "true");
  sheet()?.scrollIntoView({ block: "nearest" }); // on a phone it is far away
});

result.addEventListener("pointerdown", (event) => {
  const drawn = event.target.closest(".drawable");
  if (!drawn) return;
  event.preventDefault();
  result.setPointerCapture(event.pointerId);
  corner = at(event);
  box = drawn.appendChild(make("div", { className: "drawn" }));
});

result.addEventListener("pointermove", (event) => {
  if (!corner) return;
  const [left, top, width, height] = rectangle(event).map((side) => `${side}px`);
  Object.assign(box.style, { left, top, width, height });
});

function endDrawing(event) {
  if (!corner) return;
  const drawn = rectangle(event);
  const image = sheet().querySelector("img");
  corner = box.remove();
  if (event.type === "pointercancel" || drawn[2] < 4 || drawn[3] < 4) return;
  const [left, top, perPixel] = sheet().dataset.region.split(",").map(Number);
  const scale = (image.naturalWidth / image.clientWidth) * perPixel;
  const clip = drawn.map((side, index) => Math.round(side * scale + ([left, top][index] ?? 0)));
  form.elements.clip.value = clip.join();
  ask();
}

for (const type of ["pointerup", "pointercancel"]) result.addEventListener(type, endDrawing);

function prepare() {
  corner = undefined;
  for (const button of code.querySelectorAll(".copy")) button.hidden = false;
  if (!draw) return;
  draw.parentElement.hidden = !sheet();
  setDrawing(false);
}

prepare();
