"""A page whose document, frames and workers each tell the site what they see of the visitor, beside the headers they send."""

import json
from typing import Any
from urllib.parse import unquote, urlsplit

from tests.support.engine import Engine, eventually
from tests.support.site import Seen, Site

# The first script of each: a page decides by what it sees then.
SIGHT = """const sight = (() => {
  const look = (media) => self.matchMedia ? matchMedia(media).matches : null;
  const format = Intl.DateTimeFormat().resolvedOptions();
  return {
    agent: navigator.userAgent, brands: navigator.userAgentData?.brands.map(each => each.brand).sort(),
    versions: navigator.userAgentData?.brands.map(each => each.version),
    system: navigator.userAgentData?.platform, mobile: navigator.userAgentData?.mobile, platform: navigator.platform,
    language: navigator.language, languages: navigator.languages, automated: navigator.webdriver ?? false,
    locale: format.locale, zone: format.timeZone, number: (1234.5).toLocaleString(),
    screen: self.screen && [screen.width, screen.height], inner: [self.innerWidth, self.innerHeight],
    outer: [self.outerWidth, self.outerHeight], scale: self.devicePixelRatio, touches: navigator.maxTouchPoints,
    dark: look('(prefers-color-scheme: dark)'), still: look('(prefers-reduced-motion: reduce)'),
    coarse: look('(pointer: coarse)'), hover: look('(hover: hover)'), upright: look('(orientation: portrait)'),
  };
})();
"""
TELL = "fetch('/told/NAME?' + encodeURIComponent(JSON.stringify(sight)));"
PAGE = """<!doctype html><meta name=viewport content='width=device-width'><body>witness<img src=/witness.png>
<iframe id=other></iframe><script>
other.src = 'http://localhost:' + location.port + '/witness/frame';
new Worker('/witness/worker.js');
navigator.serviceWorker.register('/witness/service.js');
</script>"""
DOCUMENT, PART, FRAME = "/witness", "/witness.png", "/witness/frame"
WORKER, SERVICE = "/witness/worker.js", "/witness/service.js"
TOLD = {"page": "/told/page", "frame": "/told/frame", "worker": "/told/worker", "service": "/told/service"}


class Witness:
    """What one capture let a site see: `requests` by their paths, and the sight of "page", "frame", "worker", "service"."""

    def __init__(self, site: Site, since: int) -> None:
        self._seen = site.requests[since:]

    def request(self, path: str) -> Seen:
        return next(each for each in self._seen if urlsplit(each.path).path == path)

    def saw(self, who: str) -> dict[str, Any]:
        return json.loads(unquote(urlsplit(self.request(TOLD[who]).path).query))

    def sent(self, path: str, header: str) -> str | None:
        return next((value for name, value in self.request(path).headers.items() if name.lower() == header), None)

    def has_seen(self, *paths: str) -> bool:
        return {*paths} <= {urlsplit(each.path).path for each in self._seen}


def visit(engine: Engine, site: Site, **options: Any) -> Witness:
    """Capture the page with `options`, and wait until everything in it has told what it sees."""
    site.add(DOCUMENT, f"<!doctype html><script>{SIGHT}{TELL.replace('NAME', 'page')}</script>{PAGE}")
    # The frame of another site has a process of its own.
    frame = f"<!doctype html><script>{SIGHT}{TELL.replace('NAME', 'frame')}</script>"
    site.add(FRAME, frame, headers={"Origin-Agent-Cluster": "?1"})
    for path, name in ((WORKER, "worker"), (SERVICE, "service")):
        site.add(path, SIGHT + TELL.replace("NAME", name), content_type="text/javascript")
    for path in TOLD.values():
        site.add(path)
    site.add(PART, status=404)
    since = len(site.requests)
    answer = engine.capture(site.url(DOCUMENT), **{"width": 400, "height": 300, "delay": 300} | options)
    assert answer.status_code == 200, answer.text
    return eventually(lambda: (seen := Witness(site, since)).has_seen(*TOLD.values()) and seen)
