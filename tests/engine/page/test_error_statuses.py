"""The document at rest is judged: a page may pass a challenge, or lead from an error page to what was meant."""

import pytest

from tests.engine.page.test_failures import told
from tests.engine.page.test_options import GREEN, body, colour
from tests.support.engine import Engine
from tests.support.site import Site

SMALL = {"width": 400, "height": 300}


def challenge(site: Site, path: str, status: int, script: str) -> str:
    """Serve a page that answers `status` until its script has asked for `/pass`."""
    site.add("/pass", "", status=204)
    return site.add(path, body("red", f"<h1>Checking your browser</h1><script>{script}</script>"), status=status)


@pytest.mark.parametrize(
    ("status", "wait_until"),
    [(403, "settled"), (404, "settled"), (503, "settled"), (404, "load"), (503, "domcontentloaded")],
)
def test_a_script_that_leads_from_an_error_page_to_the_page_is_followed(
    engine: Engine, site: Site, status: int, wait_until: str
):
    site.add("/page", body("green", "<h1>The page</h1>"))
    url = challenge(site, "/challenge", status, "setTimeout(() => location = '/page', 400)")
    answer = engine.capture(url, **SMALL, wait_until=wait_until)
    assert colour(answer) == GREEN


def test_a_challenge_that_reloads_itself_is_passed(engine: Engine, site: Site):
    """The cookie of the challenge tells it from the page, as the address stays."""
    passed = body("green", "<h1>The page</h1>")
    check = body(
        "red", "<script>document.cookie = 'clear=1; path=/'; setTimeout(() => location.reload(), 4000)</script>"
    )
    url = site.add("/wall", check, status=503, passed=passed)
    assert colour(engine.capture(url, **SMALL)) == GREEN
    assert site.hits("/wall") == 2


def test_a_meta_refresh_of_an_error_page_is_followed(engine: Engine, site: Site):
    site.add("/page", body("green"))
    url = site.add("/refreshing", body("red", head="<meta http-equiv=refresh content='0; url=/page'>"), status=404)
    assert colour(engine.capture(url, **SMALL)) == GREEN


@pytest.mark.parametrize("options", [{}, {"wait_for": "#never"}, {"full_page": "true"}, {"wait_until": "networkidle"}])
def test_an_error_page_at_rest_stays_an_error_whatever_its_scripts_show(engine: Engine, site: Site, options):
    fills = "<h1>Not here</h1><script>document.body.append('and a script may say more')</script>"
    url = site.add("/filled", body("green", fills), status=404)
    answer = engine.capture(url, **SMALL, **options)
    assert told(answer) == (422, "page_status", False)
    assert answer.json()["page_status"] == 404


SHELLS = {
    "empty": "<div id=app></div>",
    "loading": "<div id=app><svg></svg>Loading…</div><noscript>This application needs JavaScript</noscript>",
}
FILL = "app.innerHTML = '<h1>The application</h1>'"
FILLS = {
    "at once": f"<script>{FILL}</script>",
    "later": f"<script>setTimeout(() => {{ history.replaceState({{}}, '', '/elsewhere'); {FILL} }}, 1000)</script>",
    "by a module": "<script type=module src=/app.js></script>",
}


@pytest.mark.parametrize(
    ("shell", "how"), [("empty", "at once"), ("empty", "later"), ("loading", "later"), ("loading", "by a module")]
)
def test_an_application_that_a_host_sends_with_a_404_is_the_page(engine: Engine, site: Site, shell: str, how: str):
    site.add("/app.js", f"await fetch('/app-data'); {FILL}", content_type="text/javascript")
    site.add("/app-data", late=0.3)
    url = site.add("/deep/link", body("green", SHELLS[shell] + FILLS[how]), status=404)
    answer = engine.capture(url, **SMALL)
    assert colour(answer) == GREEN
    assert "X-Thumb-Note" not in answer.headers
    assert site.hits("/deep/link") > 0


def test_an_application_behind_a_404_is_asked_for_once_and_captured_as_every_page(engine: Engine, site: Site):
    url = site.add("/once", body("green", SHELLS["empty"] + FILLS["at once"]), status=404)
    assert colour(engine.capture(url, **SMALL, full_page="true", wait_for="h1", js="document.title = 1")) == GREEN
    assert site.hits("/once") == 1


@pytest.mark.parametrize("status", [403, 500])
def test_a_script_that_fills_any_other_error_page_makes_no_page_of_it(engine: Engine, site: Site, status: int):
    """A challenge says so by a script too."""
    url = site.add(f"/shell-{status}", body("green", SHELLS["empty"] + FILLS["at once"]), status=status)
    assert told(engine.capture(url, **SMALL))[1] == "page_status"


@pytest.mark.parametrize("background", ["white", "red"])
@pytest.mark.parametrize("script", ["", "document.title = 'Not here'"])
def test_a_shell_that_no_script_fills_is_an_error_page(engine: Engine, site: Site, script: str, background: str):
    url = site.add("/hollow", body(background, f"{SHELLS['empty']}<script>{script}</script>"), status=404)
    assert told(engine.capture(url, **SMALL)) == (422, "page_status", False)


def test_a_page_that_reloads_an_error_without_end_is_given_up(engine: Engine, site: Site):
    url = challenge(site, "/never", 503, "setTimeout(() => location.reload(), 100)")
    assert told(engine.capture(url, **SMALL)) == (422, "page_status", True)
    assert site.hits("/never") < 100  # some 250 until the deadline


def test_a_page_that_leads_to_an_error_page_is_an_error(engine: Engine, site: Site):
    url = site.add("/astray-at-last", body("green", "<script>setTimeout(() => location = '/absent', 300)</script>"))
    assert told(engine.capture(url, **SMALL)) == (422, "page_status", False)


@pytest.mark.parametrize("status", [401, 404, 503])
def test_an_error_page_is_shown_to_those_who_ask_for_it(engine: Engine, site: Site, status: int):
    url = site.add("/designed", body("green", "<h1>Not here</h1>"), status=status)
    answer = engine.capture(url, **SMALL, error_pages="show")
    assert colour(answer) == GREEN
    assert answer.headers["X-Page-Status"] == str(status)


def test_a_good_page_tells_its_status_to_those_who_ask_for_error_pages(engine: Engine, site: Site):
    url = site.add("/good", body("green"))
    assert engine.capture(url, **SMALL, error_pages="show").headers["X-Page-Status"] == "200"
    assert "X-Page-Status" not in engine.capture(url, **SMALL).headers
