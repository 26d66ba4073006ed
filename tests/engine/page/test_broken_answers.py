"""Pages whose answers are broken, cut off or never come: each picture shows what a browser shows, and soon.

All pages are captured at the start, four at a time, since most of them only wait.
"""

import gzip
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
import requests

from tests.engine.conftest import small_engine
from tests.engine.page.test_hostile_pages import failure
from tests.engine.page.test_options import BLUE, GREEN, RED, body, colour, picture, png
from tests.support.pages_at_rest import POINTS, SIZE
from tests.support.site import Site

# The engine promises 5 s, and keeps that on an idle machine. A loaded machine gets nearly twice as long. Each known fault
# takes longer still: the proxy ends a silent connection after 10 s, and a navigation without a document once took 27 s.
MOST_SECONDS = 9
TURNS_RED = "document.body.style.background = 'red'"
TURNS_GREEN = "<script>document.body.style.background = 'green'</script>"
LONG = f"<!--{'x' * 300_000}-->"  # more than all buffers between the site and the browser's parser
WHOLE = body("green", "<p>text")
HALF = "<!doctype html><body style='margin:0;background:green'><div style='height:150px;background:blue'></div>"
NEVER = "/never-comes"
WAITS = f"<img src={NEVER}>"  # keeps the page from `load`
FONT = f"<style>@font-face {{ font-family: f; src: url({NEVER}) }} body {{ font: 150px f }}</style>"


def sized(content: str | bytes, *headers: str, more: int = 0) -> bytes:
    """Make an answer that announces `more` bytes than it has."""
    content = content.encode() if isinstance(content, str) else content
    return _answer(content, f"Content-Length: {len(content) + more}", *headers)


def chunked(content: str) -> bytes:
    """Make an answer in chunks, without the last one."""
    return _answer(f"{len(content):x}\r\n{content}\r\n".encode(), "Transfer-Encoding: chunked")


def _answer(content: bytes, *headers: str) -> bytes:
    head = ("HTTP/1.1 200 OK", "Content-Type: text/html; charset=utf-8", "Connection: close", *headers, "", "")
    return "\r\n".join(head).encode() + content


CLOSED = {
    "without its last chunk": chunked(WHOLE),
    "shorter than it said": sized(WHOLE, more=5000),
    "large and shorter than it said": sized(body("red", LONG + TURNS_GREEN), more=5000),
    "cut off in its gzip": sized(gzip.compress((WHOLE + LONG).encode())[:-20], "Content-Encoding: gzip"),
}
RESET = {
    "reset in the middle": sized(HALF, more=5000),
    "reset at its end": sized(WHOLE),
    "large and reset in the middle": sized(body("red", LONG + TURNS_GREEN), more=5000),
    "large and reset at its end": sized(body("red", LONG + TURNS_GREEN)),
}
SANDBOXED = {
    "in a sandbox": ("sandbox", body("green", f"<script>{TURNS_RED}</script>")),
    "in a sandbox with scripts": (
        "sandbox allow-scripts",
        body("red", f"<script>onload = () => setTimeout(() => {{ {TURNS_GREEN[8:-9]} }}, 1000)</script>"),
    ),
}
GREEN_PAGES = {
    "with a script that is no gzip": "<script src=/false-gzip.js></script>",
    "with an image that is no gzip": "<img src=/false-gzip.png>",
    "with a style sheet that never comes": f"<link rel=stylesheet href={NEVER}><p>text",
    "with an image that never comes": WAITS,
    "with a script that never comes, and is not waited for": f"<script async src={NEVER}></script>",
    "with a frame that never comes": f"<iframe src={NEVER} hidden></iframe>",
    "with many parts that never come": f"<link rel=stylesheet href={NEVER}?1><script src={NEVER}?2></script>"
    f"<img src={NEVER}?3><iframe src={NEVER}?4 hidden></iframe>",
    "that stops itself": f"{WAITS}<script>stop()</script>",
    "that opens an application": f"{WAITS}<script>location = 'mailto:a@example.com'</script>",
    "that follows a link to an application": "<a id=a href=mailto:a@example.com></a><script>a.click()</script>",
    "that starts a download": f"{WAITS}<script>location = '/kept.bin'</script>",
    "that follows a link to a download": "<a id=a href=/kept.bin download></a><script>a.click()</script>",
    "that navigates to no content": f"{WAITS}<script>location = '/no-content'</script>",
    "that leaves for another before it has loaded": f"{WAITS}<script>{TURNS_RED}; location = '/comes-late'</script>",
}  # fmt: skip
GREEN_ONES = [*CLOSED, *RESET, *SANDBOXED, *GREEN_PAGES, "without an end"]
GREEN_ONES.remove("reset in the middle")
OTHERS = ["reset in the middle", "with a font that never comes", "that is no gzip"]


@dataclass(frozen=True)
class Captured:
    """An answer of the engine, and the seconds that it took by the engine's own measure."""

    answer: requests.Response
    seconds: float


def add_parts(site: Site) -> None:
    zipped = {"Content-Encoding": "gzip"}
    site.add("/false-gzip.js", TURNS_RED, content_type="text/javascript", headers=zipped)
    site.add("/false-gzip.png", png(400, 300, RED), content_type="image/png", headers=zipped)
    site.add("/kept.bin", b"x", content_type="application/octet-stream")
    site.add("/no-content", status=204)
    site.add("/comes-late", body("green"), late=1)
    site.add(NEVER, gate=threading.Event())


def add_pages(site: Site) -> dict[str, str]:
    """Serve all pages, and return their URLs."""
    urls = {}
    for name, content in (CLOSED | RESET).items():
        urls[name] = site.add(f"/broken-{len(urls)}", content, raw=True, resets=name in RESET)
    for name, (policy, content) in SANDBOXED.items():
        urls[name] = site.add(f"/broken-{len(urls)}", content, headers={"Content-Security-Policy": policy})
    for name, inside in GREEN_PAGES.items():
        urls[name] = site.add(f"/broken-{len(urls)}", body("green", inside))
    urls["without an end"] = site.add("/endless", WHOLE, endless=True)
    urls["with a font that never comes"] = site.add("/fontless", body("white", "text", FONT))
    urls["that is no gzip"] = site.add("/false-gzip", WHOLE, headers={"Content-Encoding": "gzip"})
    return urls


@pytest.fixture(scope="module")
def captured(site: Site) -> dict[str, Captured]:
    add_parts(site)
    urls = add_pages(site)
    with small_engine(site, ENGINE_CONCURRENCY=4) as engine, ThreadPoolExecutor(4) as pool:
        answers = pool.map(lambda url: engine.capture(url, timeout=70, **SIZE), urls.values())
        return {name: Captured(answer, engine.seconds(answer)) for name, answer in zip(urls, answers, strict=True)}


@pytest.mark.parametrize("name", GREEN_ONES)
def test_a_broken_page_shows_what_has_come(captured: dict[str, Captured], name: str):
    shown = picture(captured[name].answer)
    assert {shown.getpixel(point) for point in POINTS} == {GREEN}


def test_half_a_page_shows_that_half(captured: dict[str, Captured]):
    answer = captured["reset in the middle"].answer
    assert (colour(answer, (200, 140)), colour(answer, (200, 160))) == (BLUE, GREEN)


def test_a_text_whose_font_never_comes_is_shown_in_another(captured: dict[str, Captured]):
    darkest, _ = picture(captured["with a font that never comes"].answer).convert("L").getextrema()
    assert darkest < 50


def test_a_page_that_cannot_be_decoded_fails(captured: dict[str, Captured]):
    status, code, _ = failure(captured["that is no gzip"].answer)
    assert (status, code) == (422, "page_failed")


@pytest.mark.parametrize("name", [*GREEN_ONES, *OTHERS])
def test_a_broken_page_holds_nothing_up(captured: dict[str, Captured], name: str):
    assert captured[name].seconds < MOST_SECONDS
