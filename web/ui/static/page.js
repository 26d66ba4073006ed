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
