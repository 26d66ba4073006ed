"""Pages that Chromium alone cannot handle."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.engine.conftest import small_engine
from tests.engine.page.test_options import GREEN, RED, body, colour
from tests.support.engine import Engine, eventually
from tests.support.hostile import ADS
from tests.support.site import Site


def failure(response) -> tuple[int, str, str]:
    answer = response.json()
    assert answer["status"] == response.status_code
    assert response.headers["Cache-Control"] == "no-store"
    return response.status_code, answer["error"], answer["message"]


@pytest.mark.parametrize("script", ["alert(1)", "confirm(1)", "prompt(1)", "print()", "onbeforeunload = () => 'stay'"])
def test_a_dialog_does_not_delay_the_picture(engine: Engine, site: Site, script: str):
    url = site.add("/dialog", body("red", f"<script>{script}; document.body.style.background = 'green'</script>"))
    assert colour(engine.capture(url, timeout=10)) == GREEN


def test_pop_ups_are_closed(engine: Engine, site: Site):
    site.add("/popup", body("red"))
    openers = """<a id=a href=/popup target=_blank rel=noopener></a><form id=f action=/popup target=_blank></form><script>
        for (let n = 0; n < 20; n++) open('/popup?' + n); a.click(); f.submit()</script>"""
    assert colour(engine.capture(site.add("/opener", body("green", openers)), delay=500)) == GREEN
    assert site.hits("/popup") == 0


def test_a_page_cannot_fake_its_status(engine: Engine, site: Site):
    lie = "<script>performance.getEntriesByType = () => [{responseStatus: 200}]; Promise = null</script>"
    url = site.add("/liar", body("red", head=lie), status=404)
    assert failure(engine.capture(url)) == (422, "page_status", "the page answered 404")


def test_an_error_status_after_a_redirect_fails_the_capture(engine: Engine, site: Site):
    site.add("/missing", "", status=404)
    url = site.add("/to-missing", status=302, headers={"Location": f"http://localhost:{site.port}/missing"})
    assert failure(engine.capture(url)) == (422, "page_status", "the page answered 404")


def test_a_204_without_content_fails_the_capture(engine: Engine, site: Site):
    url = site.add("/nothing", status=204)
    status, code, message = failure(engine.capture(url))
    assert (status, code) == (422, "not_a_page")
    assert "no content" in message


def test_a_download_that_a_page_starts_is_refused(engine: Engine, site: Site):
    site.add("/evil.bin", b"x", content_type="application/octet-stream", headers={"Content-Disposition": "attachment"})
    url = site.add("/pusher", body("green", "<a id=a href=/evil.bin download></a><script>a.click()</script>"))
    assert colour(engine.capture(url, delay=300)) == GREEN
    assert list(engine.tmp.rglob("*evil*")) == []


def test_a_failure_after_a_script_redirect_fails_the_capture(engine: Engine, site: Site, closed_port: int):
    url = site.add("/astray", body("red", f"<script>location = 'http://127.0.0.1:{closed_port}/'</script>"))
    assert failure(engine.capture(url))[:2] == (422, "connection_refused")


def test_a_page_that_navigates_to_about_blank_fails(engine: Engine, site: Site):
    url = site.add("/gone", body("red", "<script>location = 'about:blank'</script>"))
    assert failure(engine.capture(url))[:2] == (422, "not_a_page")


@pytest.fixture(scope="module")
def unfinished(short_deadline_engine: Engine, site: Site):
    """Captures of pages that never finish, all at the same time, as each takes the whole time limit."""
    text = "x" * 4000
    site.add("/drip.png", b"\x89PNG", content_type="image/png", endless=True)
    pages = {
        "dripping": (site.add("/drip", body("green", text), endless=True), {}),
        "dripping 404": (site.add("/drip-404", body("red", text), endless=True, status=404), {}),
        "dripping image": (site.add("/dripping", body("green", "<img src=/drip.png>")), {}),
        "silent": (site.add("/silent", gate=site.closing), {}),
        "found too late": (site.add("/dripping", body("green", "<img src=/drip.png>")), {"wait_for": "img"}),
        "waited for": (site.add("/bare", body("green")), {"wait_for": "#none"}),
    }
    with ThreadPoolExecutor() as pool:
        captures = {
            name: pool.submit(short_deadline_engine.capture, url, **options) for name, (url, options) in pages.items()
        }
        return {name: capture.result() for name, capture in captures.items()}


def test_a_page_that_never_finishes_is_captured_as_far_as_it_loaded(unfinished):
    assert colour(unfinished["dripping"], (10, 500)) == GREEN


def test_an_image_that_never_finishes_does_not_fail_the_capture(unfinished):
    assert colour(unfinished["dripping image"]) == GREEN


def test_an_error_page_that_never_finishes_fails_the_capture(unfinished):
    assert failure(unfinished["dripping 404"]) == (422, "page_status", "the page answered 404")


def test_a_page_without_an_answer_times_out(unfinished):
    assert failure(unfinished["silent"]) == (504, "timeout", "the page did not answer in time")


def test_wait_for_is_matched_even_if_the_page_never_finishes(unfinished):
    assert colour(unfinished["found too late"]) == GREEN


def test_wait_for_times_out(unfinished):
    answer = unfinished["waited for"]
    assert failure(answer) == (422, "selector_not_found", 'wait_for: no element matched "#none" in time')
    assert (answer.json()["field"], answer.json()["retryable"]) == ("wait_for", False)


def test_a_page_that_closes_itself_is_not_reported_as_a_crash(engine: Engine, site: Site):
    answer = engine.capture(site.add("/closer", body("green", "<script>close()</script>")), delay=300)
    assert answer.status_code == 200 or failure(answer)[1] == "page_failed"
    assert colour(engine.capture(site.add("/after", body("green")))) == GREEN


def test_a_memory_bomb_kills_only_its_own_renderer(site: Site):
    bomb = """<script>const all = []; setInterval(() => {
        for (let n = 0; n < 4; n++) all.push(new Uint8Array(16 << 20).fill(1)) }, 10)</script>"""
    with small_engine(site, ENGINE_RENDERER_LIMIT=300) as engine:
        answer = failure(engine.capture(site.add("/bomb", body("red", bomb)), delay=10000))
        assert answer == (422, "page_crashed", "the page crashed or used too much memory")
        assert engine.health()["restarts"] == 0


def test_a_browser_above_its_memory_limit_is_replaced_without_a_failed_capture(site: Site):
    hoard = "<script>const all = []; for (let n = 0; n < 40; n++) all.push(new Uint8Array(16 << 20).fill(1))</script>"
    with small_engine(site, ENGINE_MEMORY_LIMIT=700, ENGINE_RENDERER_LIMIT=4096) as engine:
        assert colour(engine.capture(site.add("/hoard", body("red", hoard)), delay=1500)) == RED
        eventually(lambda: engine.health()["restarts"] == 1)


def peak_of_the_engine(engine: Engine) -> int:
    """The peak memory of the engine's own process in MiB."""
    status = Path(f"/proc/{engine.process.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) >> 10


@pytest.mark.slow
def test_a_large_post_body_harms_neither_the_engine_nor_another_capture(site: Site):
    """With `block_ads`, the browser sends the engine an event for every request, with its body."""
    post = "<script>fetch('/x', {method: 'POST', body: 'x'.repeat(100 << 20)})</script>"
    poster, neighbour = site.add("/poster", body("red", post)), site.add("/neighbour", body("green"))
    with (
        small_engine(
            site, ENGINE_FILTER_LISTS=ADS, ENGINE_CONCURRENCY=2, ENGINE_MEMORY_LIMIT=4096, ENGINE_DEADLINE=40
        ) as engine,
        ThreadPoolExecutor(1) as pool,
    ):
        before = peak_of_the_engine(engine)
        posting = pool.submit(engine.capture, poster, block_ads="true", delay=10000, timeout=60)
        eventually(lambda: site.hits("/poster"))
        while not posting.done():
            assert colour(engine.capture(neighbour, block_ads="true")) == GREEN
        answer = failure(posting.result())
        assert answer == (422, "page_failed", "the page sent too much data in one request or message")
        assert peak_of_the_engine(engine) < before + 64
        assert engine.health()["restarts"] == 0
