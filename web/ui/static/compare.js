// Puts two versions of a site in one place, with a line between them that is moved by a range input or by dragging.
// Without scripts both stand side by side.

for (const compare of document.querySelectorAll('.compare[data-view="slider"]')) {
  const line = compare.querySelector(".line");
  const input = line.querySelector("input");
  const sheet = compare.querySelector(".sheet");
  if (compare.querySelectorAll(".sheet").length < 2) continue; // one of them is a PDF, which a browser does not draw

  const show = () => compare.style.setProperty("--at", input.value);
  const drag = (event) => {
    const box = sheet.getBoundingClientRect();
    input.value = String(((event.clientX - box.left) / box.width) * 100);
    show();
  };

  compare.classList.add("sliding");
  line.hidden = false;
  input.addEventListener("input", show);
  compare.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || line.contains(event.target)) return;
    compare.setPointerCapture(event.pointerId);
    compare.addEventListener("pointermove", drag);
    drag(event);
  });
  for (const end of ["pointerup", "pointercancel"]) {
    compare.addEventListener(end, () => compare.removeEventListener("pointermove", drag));
  }
  show();
}
