// What every page does with scripts on: the theme changes without a reload, and pictures fade in.
// Without scripts the same forms and pictures work by themselves.

const themes = document.querySelector(".themes");

themes?.addEventListener("submit", async (event) => {
  const chosen = event.submitter?.value;
  if (!chosen) return;
  event.preventDefault();
  document.documentElement.dataset.theme = chosen;
  for (const button of themes.querySelectorAll("button")) {
    button.setAttribute("aria-pressed", String(button.value === chosen));
  }
  const body = new URLSearchParams(new FormData(themes, event.submitter));
  // The answer leads back to this page, which is shown already.
  await fetch(themes.action, { method: "POST", body, redirect: "manual" });
});

// A picture that comes later fades in. One that is there already is left alone. One that cannot be loaded shows its text.

function fadeIn(pictures) {
  for (const picture of pictures) {
    const end = () => {
      picture.classList.remove("arriving");
      picture.classList.toggle("broken", !picture.naturalWidth);
    };
    if (picture.complete) {
      end();
      continue;
    }
    picture.classList.add("arriving");
    for (const event of ["load", "error"]) picture.addEventListener(event, end, { once: true });
  }
}

fadeIn(document.querySelectorAll(".picture img"));

// Cards without a picture, and the page of a site without one, ask for it: soon at first, then every half minute, and
// only while the page is looked at.

const wall = document.querySelector(".wall");
const place = document.querySelector("[data-waits]");
const address = (wall ?? place)?.dataset.cards;
const waiting = () => [
  ...[...(wall?.querySelectorAll('[data-state="pending"]') ?? [])].map((card) => card.dataset.site),
  ...(place ? [place.dataset.waits] : []),
];
let pause = 2000;

async function askForPictures() {
  const asked = waiting();
  if (!asked.length) return;
  if (!document.hidden) {
    const query = new URLSearchParams(asked.map((site) => ["site", site]));
    const response = await fetch(`${address}?${query}`).catch(() => null);
    if (response?.ok) swap(new DOMParser().parseFromString(await response.text(), "text/html"));
  }
  pause = Math.min(pause * 1.5, 30000);
  setTimeout(askForPictures, pause);
}

function swap(answer) {
  const arrived = [];
  for (const card of answer.querySelectorAll('.card:not([data-state="pending"])')) {
    if (card.dataset.site === place?.dataset.waits) location.reload();
    const old = wall?.querySelector(`[data-site="${card.dataset.site}"]`);
    const focused = old?.contains(document.activeElement);
    old?.replaceWith(card);
    if (focused) card.querySelector("a").focus();
    fadeIn(card.querySelectorAll("img"));
    if (card.dataset.state === "ready") arrived.push(card.querySelector("h2").textContent.trim());
  }
  if (!arrived.length) return;
  pause = 2000;
  const arrivals = document.querySelector("#arrivals");
  if (arrivals) arrivals.textContent = `New pictures: ${arrived.join(", ")}`;
}

setTimeout(askForPictures, pause);
