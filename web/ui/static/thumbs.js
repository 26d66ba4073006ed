// Pictures of this service that were not ready when a page asked for them arrive by themselves: docs/embedding.md.
(() => {
  const base = document.currentScript.src.replace(/thumbs\.js.*$/, "");
  const states = new WeakMap();
  const queue = [];
  let active = 0;
  if (window["thumbs " + base]) return;
  window["thumbs " + base] = 1;

  const address = (img) => img.currentSrc || img.src;

  // A picture with `fresh` would be captured once more by each question.
  const isOurs = (url) =>
    url.startsWith(base) && /^(thumb\?|icon\?|t\/|sites\/)/.test(url.slice(base.length)) && !/[?&]fresh\b/.test(url);

  // Of the answer to an <img>, Server-Timing alone is readable. It is there if to ask again is worth while.
  const isSettled = (img, url) => {
    const entry = img.naturalWidth && performance.getEntriesByName(url).pop();
    return entry && (!entry.responseStart || entry.serverTiming?.every((mark) => mark.name != "thumb"));
  };

  const consider = (img) => {
    if (img.nodeName != "IMG") return;
    const url = address(img);
    const state = states.get(img) || {};
    states.set(img, state);
    if (state.busy) return;
    if (!img.dataset.thumb && !(img.complete && isOurs(url) && state.done != url && !isSettled(img, url))) return;
    if (img.dataset.thumb || !img.naturalWidth) keepBox(img);
    state.busy = 1;
    state.tries = 0;
    queue.push(img);
    // When all others that are considered now are in the queue too, and style sheets have put each in its place: no frame
    // is drawn before. A page that is hidden draws none.
    requestAnimationFrame(pump);
    setTimeout(pump, document.hidden ? 0 : 500);
  };

  const isInView = (img) => {
    // An <img> without a source has no place.
    const box = (img.getClientRects().length ? img : img.parentNode).getBoundingClientRect();
    return box.bottom >= 0 && box.right >= 0 && box.top < innerHeight && box.left < innerWidth;
  };

  const pump = () => {
    while (navigator.onLine && active < 6 && queue.length) {
      const [img] = queue.splice(Math.max(queue.findIndex(isInView), 0), 1);
      if (!img.isConnected) states.delete(img);
      else {
        active++;
        if (img.dataset.thumb) start(img);
        else ask(img);
      }
    }
  };

  const end = (img) => {
    const state = states.get(img);
    state.busy = state.loading = 0;
    active--;
    consider(img);
    pump();
  };

  const start = (img) => {
    const { thumb, thumbSrcset } = img.dataset;
    states.get(img).loading = 1;
    img.loading = "eager";
    if (thumbSrcset) img.srcset = thumbSrcset;
    img.src = thumb;
    delete img.dataset.thumb;
  };

  const ask = async (img) => {
    const url = address(img);
    try {
      const headers = { Accept: "image/avif,image/webp,*/*;q=0.8" };
      const answer = await fetch(url, { method: "HEAD", cache: "no-store", headers });
      const wait = answer.headers.get("Retry-After");
      if ([202, 429, 503].includes(answer.status) || answer.headers.get("X-Thumb-State") == "pending") later(img, wait);
      else show(img, url);
    } catch {
      later(img);
    }
  };

  const later = (img, seconds) => {
    const state = states.get(img);
    const wait = (seconds || 2) * 1.3 ** state.tries++;
    if (!navigator.onLine) queue.push(img);
    else if (wait < 300) setTimeout(() => queue.push(img) && pump(), wait * 1000);
    else state.done = address(img);
    active--;
    pump();
  };

  // A browser shows one answer for one URL as long as a page lives, unless the URL or the mode of the request differs.
  const show = (img, url) => {
    const plain = url == img.src && /^(thumb|icon)\?/.test(url.slice(base.length));
    const mode = plain ? img.crossOrigin : img.crossOrigin ? null : "anonymous";
    const shorter = url.replace(/([?&])wait=\d+&?/, "$1").replace(/[?&]$/, "");
    const next = !plain ? url : shorter == url ? url + "&wait=0" : shorter;
    const fresh = new Image();
    fresh.crossOrigin = mode;
    fresh.onload = () => {
      const state = states.get(img);
      state.done = next;
      state.loading = 1;
      keepPlace(img, fresh);
      if (plain) img.src = next;
      else img.crossOrigin = mode;
    };
    fresh.onerror = () => later(img);
    fresh.src = next;
  };

  // The words of an image that fails take as much room as they need, unless it is a box. That of one whose content is
  // hidden stands on the line, as images do.
  const keepBox = (img) => {
    if (getComputedStyle(img).display != "inline") return;
    img.style.display = "inline-block";
    img.style.overflow = "hidden";
  };

  // A picture of another size than its placeholder does not move what is around it.
  const keepPlace = (img, fresh) => {
    const { naturalWidth: width, naturalHeight: height, style } = img;
    if (!width || (width == fresh.naturalWidth && height == fresh.naturalHeight)) return;
    if (!img.hasAttribute("width")) img.width = width;
    style.aspectRatio = `${width}/${height}`;
    style.objectFit = "cover";
    style.objectPosition = "top";
  };

  const scan = (node) => {
    if (!node.querySelectorAll) return;
    consider(node);
    node.querySelectorAll("img").forEach(consider);
  };

  const settle = ({ target }) => (states.get(target)?.loading ? end : consider)(target);
  const begin = () => {
    scan(document);
    for (const name of ["load", "error"]) document.addEventListener(name, settle, true);
    addEventListener("online", pump);
    new MutationObserver((changes) => {
      for (const change of changes) {
        consider(change.target);
        change.addedNodes.forEach(scan);
      }
    }).observe(document, { childList: true, subtree: true, attributeFilter: ["data-thumb"] });
  };
  // Which pictures are in view is known when all of the page is there.
  if (document.readyState == "loading") addEventListener("DOMContentLoaded", begin);
  else begin();
})();
