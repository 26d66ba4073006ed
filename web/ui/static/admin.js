// What admin pages do with scripts on. Without them the same forms work by themselves.

// The list of sites: all on the page at once, and how many are ticked.

const list = document.querySelector(".selection");
if (list) {
  const boxes = [...list.querySelectorAll('[name="site"]')];
  const all = list.querySelector("#tick-all");
  const matching = list.querySelector('[name="all"]');
  all.closest("label").hidden = false;
  all.addEventListener("change", () => boxes.forEach((box) => { box.checked = all.checked; }));
  list.addEventListener("change", () => {
    const ticked = boxes.filter((box) => box.checked).length;
    all.checked = ticked === boxes.length;
    all.indeterminate = ticked > 0 && ticked < boxes.length;
    list.querySelector("#ticked").textContent = matching?.checked ? "all that match" : ticked ? `${ticked} selected` : "";
  });
}

// The form of a site: a preview of what its options give, when asked for and then after each change.

const form = document.querySelector("form[data-preview]");
if (form) {
  const frame = document.querySelector("#preview");
  const says = document.querySelector("#preview-says");
  let asked, wish, live = false;

  async function show() {
    asked?.abort();
    asked = new AbortController();
    const { signal } = asked;
    const fields = [...new FormData(form)].filter(([name, value]) => value && (name === "url" || name === "csrf_token" || name.startsWith("options.")));
    frame.setAttribute("aria-busy", "true");
    says.classList.remove("bad");
    says.textContent = "Capturing …";
    try {
      const address = `${form.dataset.preview}?${new URLSearchParams(fields)}`;
      const answer = await fetch(address, { signal });
      if (answer.redirected) { location.reload(); return; }
      if (!answer.ok) throw new Error((await answer.json()).detail);
      const picture = new Image();
      picture.alt = "Preview of these options";
      picture.src = address; // which the browser has kept
      await picture.decode();
      frame.replaceChildren(picture);
      says.textContent = "What these options give. Nothing is saved yet.";
    } catch (err) {
      if (signal.aborted) return;
      says.classList.add("bad");
      says.textContent = `No preview: ${err.message}`;
    }
    frame.removeAttribute("aria-busy");
  }

  form.addEventListener("submit", (event) => {
    if (event.submitter?.name !== "preview") return;
    event.preventDefault();
    live = true;
    frame.scrollIntoView({ block: "nearest" });
    show();
  });
  form.addEventListener("change", (event) => {
    if (!live || !(event.target.name === "url" || event.target.name.startsWith("options."))) return;
    clearTimeout(wish);
    wish = setTimeout(show, 400);
  });
}
