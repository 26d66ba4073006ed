// The form of a card, sent without a new page while a person types. The server writes all that is shown.

const [form, preview, code, said] = ["make", "preview", "code", "said"].map((id) => document.getElementById(id));
let asking, later;

async function ask(quietly) {
  clearTimeout(later);
  asking?.abort();
  const { signal } = (asking = new AbortController());
  const fields = new URLSearchParams(new FormData(form));
  const isLink = form.method === "get";
  const address = isLink ? `${form.action}?${fields}` : form.action;
  try {
    const response = await fetch(address, isLink ? { signal } : { method: "POST", body: fields, signal });
    show(new DOMParser().parseFromString(await response.text(), "text/html"), quietly);
    if (isLink) history.replaceState(null, "", address);
  } catch (error) {
    if (!signal.aborted) said.textContent = "The service cannot be reached";
  }
}

async function show(answer, quietly) {
  const came = answer.querySelector("#preview");
  if (!came) return;
  const [old, next] = [preview, came].map((each) => each.querySelector("img"));
  const wrong = answer.querySelector("[aria-invalid]");
  complain(answer, !quietly);
  if (!wrong || !old) swap(came, old, next); // while something is wrong, the last card stays
  const other = answer.querySelector("#code");
  if (!wrong && other.textContent !== code.textContent) code.replaceChildren(...other.childNodes);
  prepare();
}

// The last card stays until the next one is there.
function swap(came, old, next) {
  if (!old || !next) {
    preview.replaceChildren(...came.childNodes);
    return;
  }
  preview.setAttribute("aria-busy", "true");
  const { src, srcset, sizes, alt } = next;
  const ready = Object.assign(new Image(), { sizes, srcset, src });
  const end = () => {
    if (preview.querySelector("img") !== old || asking?.latest !== ready) return;
    Object.assign(old, { sizes, srcset, src, alt });
    preview.querySelector("a").href = came.querySelector("a").href;
    preview.removeAttribute("aria-busy");
    said.textContent = "The card is made";
  };
  asking.latest = ready;
  ready.onload = ready.onerror = end;
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
    const words = other.querySelector(".bad");
    if (words) (input.closest(".swatch") ?? input).after(words);
  }
  if (focus) form.querySelector("[aria-invalid]")?.focus();
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  ask(false);
});

form.addEventListener("input", ({ target }) => {
  if (target.dataset.for) document.getElementById(target.dataset.for).value = target.value;
  const palette = form.querySelector(`[data-for="${target.id}"]`);
  if (palette && /^#[0-9a-f]{6}$/i.test(target.value)) palette.value = target.value;
  if (["code", "key"].includes(target.name)) return;
  if (form.method === "post" && !form.elements.key.value) return;
  clearTimeout(later);
  later = setTimeout(ask, 900, true);
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

function prepare() {
  for (const each of form.querySelectorAll(".copy, [data-for]")) each.hidden = false;
}

prepare();
