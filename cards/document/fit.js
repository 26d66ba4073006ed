// Gives texts the largest size at which all of their box have room, dates the look of the card's language, and hides
// pictures that do not come. Marks the root element with `data-fitted` when all texts have their size.
"use strict";
(() => {
  const root = document.documentElement;
  const STEPS = 9; // halvings: a 500th of the range
  const FORMS = {
    long: { day: "numeric", month: "long", year: "numeric" },
    day: { day: "numeric" },
    month: { month: "short" },
    year: { year: "numeric" },
    weekday: { weekday: "long" },
  };

  const isTooWide = (element) => element.scrollWidth > element.clientWidth + 1;
  const isTooHigh = (element) => element.scrollHeight > element.clientHeight + 1;

  /** Set the largest share of the range, from 0 to 1, at which nothing overflows. Returns whether there is one. */
  function search(box, overflows) {
    const set = (share) => box.style.setProperty("--fit", share);
    set(1);
    if (!overflows()) return true;
    let fits = 0;
    let high = 1;
    set(0);
    if (overflows()) return false;
    for (let step = 0; step < STEPS; step += 1) {
      const middle = (fits + high) / 2;
      set(middle);
      if (overflows()) high = middle;
      else fits = middle;
    }
    set(fits);
    return true;
  }

  /** Cut texts to whole lines with an ellipsis, and at last leave texts out, each time the last one first, until all have room. */
  function cut(box, texts) {
    for (const text of [...texts].reverse()) {
      const least = Number(text.dataset.leastLines ?? 2);
      const all = Math.round(text.clientHeight / parseFloat(getComputedStyle(text).lineHeight));
      text.dataset.lines = "";
      for (let lines = all; lines >= least && isTooHigh(box); lines -= 1) text.style.setProperty("--lines", lines);
      if (!isTooHigh(box)) return;
    }
    for (const text of texts.slice(1).reverse()) {
      text.hidden = true;
      if (!isTooHigh(box)) return;
    }
  }

  function fit(box) {
    const texts = [...box.querySelectorAll("[data-size]")];
    const overflows = () => isTooHigh(box) || isTooWide(box) || texts.some(isTooWide);
    delete box.dataset.break;
    for (const text of texts) {
      delete text.dataset.lines;
      text.hidden = false;
    }
    box.style.justifyContent = "start"; // what is centred overflows at both ends, of which the upper one is not measured
    if (!search(box, overflows)) {
      box.dataset.break = ""; // a word that has no room even at the least size is broken
      if (!search(box, overflows)) cut(box, texts);
    }
    box.style.justifyContent = "";
  }

  function writeDates() {
    for (const time of document.querySelectorAll("time[datetime]")) {
      const moment = new Date(time.dateTime);
      const form = { ...FORMS[time.dataset.form ?? "long"], timeZone: "UTC" };
      if (!Number.isNaN(moment.getTime())) time.textContent = new Intl.DateTimeFormat(root.lang, form).format(moment);
    }
  }

  function hideMissing() {
    for (const image of document.images) {
      const hide = () => {
        (image.closest("[data-picture]") ?? image).dataset.missing = "";
        fitAll();
      };
      image.addEventListener("error", hide);
      if (image.complete && image.naturalWidth === 0) hide();
    }
  }

  function fitAll() {
    document.querySelectorAll("[data-fit]").forEach(fit);
  }

  writeDates();
  fitAll();
  hideMissing();
  document.fonts.ready.then(() => {
    fitAll();
    root.dataset.fitted = "";
  });
})();
