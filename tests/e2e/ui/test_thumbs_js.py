"""`/thumbs.js` on a page of another site, with a strict policy: pictures that were pending arrive without a reload."""

import functools
import html
import io
import itertools
import shutil
import sys
import threading
import time
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
import redis as redis_library
from PIL import Image

import services
from app import create_app
from config import Settings
from model import Picture
from sites import SiteDraft
from tests.support.browser import browser, serving
from tests.support.processes import wait_until
from tests.support.screenshot_api import refuse, running_screenshot_api

__all__ = ["browser"]

# Notes what moves, counts the images that fail, and how many requests of a script are under way: of fetch, and of pictures
# whose source it sets. What moves as the window changes its size, as it does for a picture of the whole page, is no shift.
WATCH = """
window.shifts = [];
new PerformanceObserver((list) => {
  for (const { value, hadRecentInput, sources } of list.getEntries()) {
    const moved = sources.map((each) => [each.node?.outerHTML, each.previousRect, each.currentRect]);
    if (!hadRecentInput) window.shifts.push([value, ...moved]);
  }
}).observe({ type: "layout-shift", buffered: true });
window.most = window.failed = window.loaded = 0;
document.addEventListener("load", (event) => { window.loaded += event.target.nodeName == "IMG"; }, true);
document.addEventListener("error", (event) => { window.failed += event.target.nodeName == "IMG"; }, true);
const under_way = new Set();
const begin = (what) => { under_way.add(what); window.most = Math.max(window.most, under_way.size); };
const end = (event) => under_way.delete(event.target);
const ask = window.fetch, source = Object.getOwnPropertyDescriptor(HTMLImageElement.prototype, "src");
window.fetch = (...values) => {
  const answer = ask(...values);
  const done = () => under_way.delete(answer);
  begin(answer);
  answer.then(done, done);
  return answer;
};
Object.defineProperty(HTMLImageElement.prototype, "src", {
  ...source,
  set(url) {
    begin(this);
    for (const name of ["load", "error"]) this.addEventListener(name, end, { capture: true, once: true });
    source.set.call(this, url);
  },
});
for (const name of ["load", "error"]) document.addEventListener(name, end, true);
"""
# All at once: a look at hundreds of pictures, one by one, takes a second.
BOXES = """[...document.images].map((each) => {
  const { x, y, width, height } = each.getBoundingClientRect();
  return { x: x + scrollX, y: y + scrollY, width, height };
})"""
SIZE = 'width="80" height="45"'
DOT = 'src="data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"'


@pytest.fixture(scope="module")
def service(redis_server, _migrated_file, tmp_path_factory):
    """A service with its default limits: its `url`, and the screenshot `api` behind it."""
    folder = tmp_path_factory.mktemp("thumbs")
    shutil.copy(_migrated_file, folder / "thumbnails.db")
    with running_screenshot_api("snapsharp", key="sk_live_test") as api:
        settings = Settings.of(
            redis_url=redis_server.url,
            capture_api="snapsharp",
            capture_url=api.url,
            capture_api_key="sk_live_test",
            persist_dir=folder / "media",
            database_url=f"sqlite:///{folder}/thumbnails.db",
            originals="redis",
            memory_cache_bytes=0,  # the tests empty Redis
        )
        built = services.build(settings, lambda _name: ["93.184.216.34"])
        with serving(create_app(settings, built)) as url:
            yield SimpleNamespace(url=url, api=api, services=built)
        built.close()


@pytest.fixture
def api(service, redis_server):
    service.api.reset()
    with redis_library.Redis.from_url(redis_server.url) as client:
        client.flushall()
    return service.api


@pytest.fixture
def held(api):
    """A gate that holds all captures."""
    gate = threading.Event()
    api.hold(gate)
    yield gate
    gate.set()


class Site:
    """A site of somebody else, which serves the `html` that a test sets."""

    html = ""
    url = ""
    style_seconds = 0.0  # which its style sheet takes

    def __call__(self, environ, start_response):
        if environ["PATH_INFO"] == "/style.css":
            time.sleep(self.style_seconds)
            start_response("200 OK", [("Content-Type", "text/css")])
            return [b".far { position: absolute; top: 3000px }"]
        service = self.service
        policy = (
            f"default-src 'none'; script-src {service}/thumbs.js; img-src {service} data:; connect-src {service}; "
            "style-src 'self'"
        )
        headers = [("Content-Type", "text/html; charset=utf-8"), ("Content-Security-Policy", policy)]
        start_response("200 OK", headers)
        return [self.html.encode()]


@pytest.fixture(scope="module")
def site():
    site = Site()
    with serving(site) as site.url:
        yield site


class Visit:
    """A page that is open, and what it has asked the service for."""

    def __init__(self, page, service):
        self.page, self.asked, self.refused = page, [], []
        self.service = service
        page.on("request", self._begin)
        page.on("console", lambda entry: "Content Security Policy" in entry.text and self.refused.append(entry.text))

    def _begin(self, request):
        if request.url.startswith(f"{self.service}/thumb?"):
            self.asked.append((request.method, request.url))

    @property
    def questions(self):
        return [url for method, url in self.asked if method == "HEAD"]

    def colours(self):
        """The number of pictures that are shown in colour: placeholders are grey."""
        seen = Image.open(io.BytesIO(self.page.screenshot(full_page=True))).convert("RGB")
        boxes = self.page.evaluate(BOXES)
        return sum(_is_coloured(seen, box) for box in boxes)

    @property
    def most(self):
        """How many requests the script had under way at a time."""
        return self.page.evaluate("window.most")

    def arrive(self, count):
        known, turns = 0, itertools.count(1)

        def arrived():
            nonlocal known
            self.page.wait_for_timeout(250)
            before, known = known, self.page.evaluate("window.loaded")
            # A picture that is loaded may be drawn a moment later.
            return (known != before or next(turns) % 4 == 0) and self.colours() == count

        wait_until(arrived, f"{count} pictures", 30)

    def stays(self):
        """Assert that nothing has moved, and that the policy of the page has refused nothing."""
        assert self.page.evaluate("window.shifts") == []
        assert self.refused == []


def _is_coloured(seen, box):
    left, top = int(box["x"] + box["width"] / 2), int(box["y"])
    column = seen.crop((left, top, left + 1, int(top + box["height"]))).getcolors()
    return max(max(pixel) - min(pixel) for _, pixel in column) > 20


@pytest.fixture
def visit(browser, service, site):
    contexts = []

    def visit(body, service_url=service.url):
        site.service = service_url
        site.html = (
            '<!doctype html><html lang="en"><meta charset="utf-8"><title>A page</title>'
            '<link rel="stylesheet" href="/style.css">'
            f'<script src="{service_url}/thumbs.js" async></script><body>{body}'
        )
        context = browser.new_context(viewport={"width": 800, "height": 600})
        contexts.append(context)
        context.add_init_script(WATCH)
        page = context.new_page()
        found = Visit(page, service_url)
        page.goto(site.url)
        return found

    yield visit
    for context in contexts:
        context.close()


def address(service, page, **options):
    query = "".join(f"&amp;{name}={value}" for name, value in ({"w": 80, "h": 45, "wait": 0} | options).items())
    return f"{service.url}/thumb?url=https://{page}.example/{query}"


def images(service, count, **options):
    return "".join(f'<img src="{address(service, f"p{n}", **options)}" {SIZE} alt="{n}">' for n in range(count))


def test_all_pictures_of_a_cold_page_arrive_without_a_reload(service, api, visit):
    found = visit(images(service, 60))
    found.arrive(60)
    found.stays()
    assert len(api.calls) == 60
    assert found.most == 6


def test_a_page_whose_pictures_are_known_asks_for_nothing_more(service, api, visit):
    visit(images(service, 3)).arrive(3)
    found = visit(images(service, 3))
    found.arrive(3)
    assert [method for method, _ in found.asked] == ["GET"] * 3


def test_slow_pictures_arrive_when_they_are_captured(service, api, held, visit):
    found = visit(images(service, 2))
    wait_until(lambda: found.page.wait_for_timeout(100) or len(found.questions) >= 3, "questions", 20)
    assert found.colours() == 0
    held.set()
    found.arrive(2)
    found.stays()


def test_a_page_that_fails_shows_its_placeholder_and_is_left_alone(service, api, held, visit):
    api.reset()
    gate = threading.Event()

    def fail_later(answer):
        gate.wait(20)
        refuse(500, "internal_error")(answer)

    api.behave(fail_later, times=sys.maxsize)
    found = visit(images(service, 1))
    wait_until(lambda: found.page.wait_for_timeout(100) or found.questions, "a question", 20)
    gate.set()
    wait_until(lambda: found.page.wait_for_timeout(100) or found.asked[-1][0] == "GET", "the placeholder", 20)
    asked = len(found.asked)
    found.page.wait_for_timeout(2500)
    assert len(found.asked) == asked
    assert found.page.evaluate("document.images[0].naturalWidth") == 80
    found.stays()


def test_the_picture_of_a_site_arrives_too(service, api, visit):
    site = service.services.catalogue.add(SiteDraft("https://site.example/"))
    found = visit(f'<img src="{service.url}/sites/{site.id}/image?w=80&amp;h=45" {SIZE} alt="">')
    assert found.colours() == 0
    target = io.BytesIO()
    Image.new("RGB", (640, 360), "red").save(target, "PNG")
    uploaded = Picture(target.getvalue(), "image/png", 640, 360, datetime.now(UTC))
    service.services.history.upload(site.id, uploaded, None)
    found.arrive(1)
    found.stays()


def test_bad_input_is_asked_once(service, api, visit):
    found = visit(f'<img src="{address(service, "p", fit="nonsense")}" {SIZE} alt="">')
    found.page.wait_for_timeout(1500)
    assert len(found.asked) == 1


def test_without_a_network_it_waits_for_one(service, api, held, visit):
    found = visit(images(service, 2))
    wait_until(lambda: found.page.wait_for_timeout(50) or found.questions, "a question", 20)
    found.page.context.set_offline(True)
    found.page.wait_for_timeout(2500)
    asked = len(found.asked)
    held.set()
    found.page.wait_for_timeout(1500)
    assert len(found.asked) == asked
    found.page.context.set_offline(False)
    found.arrive(2)


def test_pictures_that_are_added_later_arrive_too(service, api, visit):
    found = visit("<p>Nothing yet</p>")
    plain, lazy = (address(service, name).replace("&amp;", "&") for name in ("plain", "lazy"))
    found.page.evaluate(
        """([plain, lazy]) => {
            const box = document.createElement("div");
            for (const url of [plain, lazy]) {
                const img = new Image(80, 45);
                if (url === plain) img.src = url; else img.dataset.thumb = url;
                box.append(img);
            }
            document.body.append(box);
        }""",
        [plain, lazy],
    )
    found.arrive(2)


def test_pictures_with_candidates_arrive_in_the_chosen_one(service, api, held, visit):
    one, two = address(service, "a", format="webp"), address(service, "a", w=160, h=90, format="webp")
    found = visit(
        f'<picture><source type="image/webp" srcset="{one} 1x, {two} 2x"><img src="{address(service, "a")}" {SIZE} alt="a">'
        f'</picture><img srcset="{address(service, "b")} 1x" src="{address(service, "b", w=160)}" {SIZE} alt="b">'
    )
    wait_until(lambda: found.page.wait_for_timeout(50) or len(found.questions) >= 2, "questions", 20)
    held.set()
    found.arrive(2)
    found.stays()
    assert all("webp" in url or "b.example" in url for _, url in found.asked)


def test_a_picture_of_another_size_than_its_placeholder_moves_nothing(service, api, held, visit):
    found = visit(
        f'<img src="{service.url}/thumb?url=https://tall.example/&amp;w=320&amp;full_page&amp;wait=0" alt=""><p>Text'
    )
    wait_until(lambda: found.page.wait_for_timeout(50) or found.questions, "a question", 20)
    found.page.evaluate("window.shifts = []")  # a page that gives no size moves when the placeholder comes
    held.set()
    wait_until(lambda: found.page.wait_for_timeout(50) or found.colours() == 1, "the picture", 20)
    found.stays()
    assert found.page.evaluate("document.images[0].getBoundingClientRect().height") == 180


@pytest.mark.parametrize("style_seconds", [0, 0.3])
def test_those_in_view_come_first(service, api, site, visit, monkeypatch, style_seconds):
    monkeypatch.setattr(site, "style_seconds", style_seconds)
    far = "".join(f'<img {DOT} data-thumb="{address(service, f"far{n}")}" {SIZE} alt="">' for n in range(20))
    near = "".join(f'<img {DOT} data-thumb="{address(service, f"near{n}")}" {SIZE} alt="">' for n in range(6))
    found = visit(f'<div class="far">{far}</div>{near}')
    found.arrive(26)
    assert all("near" in url for _, url in found.asked[:6])


class PendingOnce:
    """A service whose pictures are pending once, each."""

    def __init__(self):
        self.seen = set()
        self.shown = 0

    def __call__(self, environ, start_response):
        query = environ["PATH_INFO"] + environ["QUERY_STRING"].replace("&wait=0", "")
        headers = [("Access-Control-Allow-Origin", "*"), ("Timing-Allow-Origin", "*")]
        headers += [("Access-Control-Expose-Headers", "Retry-After, X-Thumb-State"), ("Content-Type", "image/png")]
        if environ["PATH_INFO"] == "/thumbs.js":
            from web.ui.assets import FOLDER

            start_response("200 OK", [("Content-Type", "text/javascript")])
            return [(FOLDER / "thumbs.js").read_bytes()]
        if query in self.seen:
            self.shown += environ["REQUEST_METHOD"] == "GET"
            start_response("200 OK", [*headers, ("X-Thumb-State", "fresh")])
            return [drawing("red")]
        self.seen.add(query)
        pending = [("X-Thumb-State", "pending"), ("Retry-After", "1"), ("Server-Timing", "thumb;dur=1000")]
        start_response("202 Accepted", [*headers, *pending, ("Cache-Control", "no-store")])
        return [drawing("grey")]


@functools.cache
def drawing(colour):
    target = io.BytesIO()
    Image.new("RGB", (80, 45), colour).save(target, "PNG")
    return target.getvalue()


def test_a_page_of_hundreds_asks_at_most_six_at_a_time(visit):
    service = PendingOnce()
    with serving(service) as url:
        found = visit("".join(f'<img {DOT} data-thumb="{url}/thumb?n={n}" {SIZE} alt="">' for n in range(200)), url)
        wait_until(lambda: found.page.wait_for_timeout(200) or service.shown == 200, "200 pictures", 60)
        found.arrive(200)
        assert found.most == 6
        found.stays()
        found.page.context.close()


class LostOnce(PendingOnce):
    """A service whose first answer for some of the pictures is no picture."""

    def __call__(self, environ, start_response):
        name = environ["QUERY_STRING"]
        if name.startswith("lost") and name not in self.seen:
            self.seen.add(name)
            start_response("200 OK", [("Content-Type", "image/png")])
            return [b""]
        return super().__call__(environ, start_response)


def test_an_image_that_fails_moves_nothing_and_arrives_later(visit):
    service = LostOnce()
    with serving(service) as url:
        names = [f"{name}={n}" for n in range(6) for name in ("lost", "kept")]
        found = visit(
            "".join(f'<img {DOT} data-thumb="{url}/thumb?{name}" {SIZE} alt="Its words">' for name in names), url
        )
        found.arrive(12)
        assert found.page.evaluate("window.failed") == 6
        found.stays()
        found.page.context.close()


def test_each_image_that_may_be_pending_arrives(visit):
    service = PendingOnce()
    paths = ("thumb?n=1", "icon?n=1", "icon?n=1&size=64&wait=0", "t/w=80/n", "sites/1/image?w=80")
    with serving(service) as url:
        found = visit("".join(f'<img src="{url}/{html.escape(path)}" {SIZE} alt="{path}">' for path in paths), url)
        found.arrive(len(paths))
        found.stays()
        found.page.context.close()
