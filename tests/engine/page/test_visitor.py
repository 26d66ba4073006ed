"""The engine is an ordinary visitor: what a real server was sent, and what the page saw in its first script."""

import re
from collections.abc import Iterator

import pytest

from tests.engine.conftest import small_engine
from tests.engine.page.test_options import BLUE, GREEN, WHITE, body, colour
from tests.support.engine import Engine
from tests.support.site import Site
from tests.support.witness import DOCUMENT, FRAME, PART, SERVICE, TOLD, WORKER, Witness, visit

CHROME = r"Mozilla/5\.0 \(X11; Linux x86_64\) AppleWebKit/537\.36 \(KHTML, like Gecko\) Chrome/[0-9]+\.0\.0\.0 Safari/537\.36"
EVERYWHERE = (DOCUMENT, PART, FRAME, WORKER, SERVICE, *TOLD.values())
DOCUMENTS = (DOCUMENT, PART, FRAME, TOLD["page"], TOLD["frame"])
OWN_LANGUAGE = (DOCUMENT, PART, FRAME, WORKER, *TOLD.values())


@pytest.fixture(scope="module")
def plain(engine: Engine, site: Site) -> Witness:
    """A capture without options about the visitor."""
    return visit(engine, site)


@pytest.mark.parametrize("path", EVERYWHERE)
def test_a_server_is_sent_the_user_agent_of_desktop_chrome(plain: Witness, path: str):
    assert re.fullmatch(CHROME, plain.sent(path, "user-agent"))


@pytest.mark.parametrize("path", DOCUMENTS)
def test_the_client_hints_are_those_of_the_same_chrome(plain: Witness, engine: Engine, path: str):
    major = engine.health()["browser"].partition("/")[2].partition(".")[0]
    hints = plain.sent(path, "sec-ch-ua")
    assert f"Chrome/{major}.0.0.0" in plain.sent(path, "user-agent")
    assert {f'"Chromium";v="{major}"', f'"Google Chrome";v="{major}"'} < set(hints.split(", "))
    assert (plain.sent(path, "sec-ch-ua-mobile"), plain.sent(path, "sec-ch-ua-platform")) == ("?0", '"Linux"')


@pytest.mark.parametrize("path", OWN_LANGUAGE)
def test_a_server_is_sent_a_language(plain: Witness, path: str):
    assert plain.sent(path, "accept-language") == "en-US,en;q=0.9"


@pytest.mark.parametrize("who", TOLD)
def test_everything_in_a_page_sees_the_same_chrome(plain: Witness, who: str):
    seen = plain.saw(who)
    assert re.fullmatch(CHROME, seen["agent"])
    assert {"Chromium", "Google Chrome"} < set(seen["brands"])
    assert len(seen["brands"]) == 3
    assert (seen["system"], seen["mobile"], seen["platform"]) == ("Linux", False, "Linux x86_64")
    assert (seen["language"], seen["languages"], seen["locale"]) == ("en-US", ["en-US", "en"], "en-US")
    assert seen["automated"] is False


@pytest.mark.parametrize("who", ["page", "frame"])
def test_the_screen_is_larger_than_the_window(plain: Witness, who: str):
    assert plain.saw(who)["screen"] == [1920, 1080]


def test_the_window_around_a_page_is_no_smaller_than_the_page(plain: Witness):
    seen = plain.saw("page")
    assert seen["inner"] == [400, 300]
    assert all(outer >= inner for outer, inner in zip(seen["outer"], seen["inner"], strict=True))


@pytest.mark.parametrize("who", ["page", "frame"])
def test_the_visitor_has_a_mouse(plain: Witness, who: str):
    seen = plain.saw(who)
    assert (seen["hover"], seen["coarse"], seen["touches"]) == (True, False, 0)


def test_what_a_page_reads_of_the_visitor_s_answers_does_not_contradict_itself(engine: Engine, site: Site):
    """Sites take a visitor for a robot who has refused notifications, and has not been asked yet."""
    asks = """<script>navigator.permissions.query({name: 'notifications'}).then(({state}) => {
        const told = {default: 'prompt'}[Notification.permission] ?? Notification.permission
        document.body.style.background = state === told ? 'green' : 'red' })</script>"""
    answer = engine.capture(site.add("/permissions", body("white", asks)), width=400, height=300)
    assert colour(answer) == GREEN


def test_a_site_that_asks_for_the_full_version_gets_it(engine: Engine, site: Site):
    version = engine.health()["browser"].partition("/")[2]
    asks = f"""<script>navigator.userAgentData.getHighEntropyValues(['uaFullVersion', 'fullVersionList']).then(hints => {{
        const same = hints.uaFullVersion === '{version}' && JSON.stringify(hints.fullVersionList).includes('{version}')
        document.body.style.background = same ? 'green' : 'red' }})</script>"""
    answer = engine.capture(site.add("/full-version", body("white", asks)), width=400, height=300)
    assert colour(answer) == GREEN


def test_a_window_larger_than_the_screen_has_a_larger_screen(engine: Engine, site: Site):
    seen = visit(engine, site, width=2000, height=1200).saw("page")
    assert (seen["inner"], seen["screen"]) == ([2000, 1200], [2000, 1200])
    assert seen["outer"] == [2000, 1200]


@pytest.fixture(scope="module")
def named(site: Site) -> Iterator[Engine]:
    """An engine whose operator lets it name itself."""
    exempt = f"{site.address},localhost:{site.port}"
    with small_engine(site, PRIVATE_TARGETS=exempt, ENGINE_USER_AGENT_SUFFIX="Thumbs/1.0 (+https://x.example)") as own:
        yield own


def test_the_operators_suffix_ends_every_user_agent(named: Engine, site: Site):
    witness = visit(named, site)
    for path in EVERYWHERE:
        assert re.fullmatch(rf"{CHROME} Thumbs/1\.0 \(\+https://x\.example\)", witness.sent(path, "user-agent")), path
    for who in TOLD:
        assert witness.saw(who)["agent"].endswith(" Thumbs/1.0 (+https://x.example)"), who


@pytest.fixture(scope="module")
def german(engine: Engine, site: Site) -> Witness:
    """A capture with every option about the visitor."""
    options = {"locale": "de-de", "timezone": "Asia/Tokyo", "user_agent": "Reader/2.0 (X)"}
    return visit(engine, site, **options, color_scheme="dark", reduced_motion="true")


@pytest.mark.parametrize("path", OWN_LANGUAGE)
def test_a_locale_is_the_language_that_a_server_is_sent(german: Witness, path: str):
    assert german.sent(path, "accept-language") == "de-DE,de;q=0.9,en-US;q=0.8,en;q=0.7"


@pytest.mark.parametrize("who", TOLD)
def test_a_locale_and_a_time_zone_hold_everywhere_in_a_page(german: Witness, who: str):
    seen = german.saw(who)
    assert (seen["language"], seen["languages"]) == ("de-DE", ["de-DE", "de", "en-US", "en"])
    assert (seen["locale"], seen["number"], seen["zone"]) == ("de-DE", "1.234,5", "Asia/Tokyo")


@pytest.mark.parametrize(
    ("locale", "sent"),
    [
        ("en-GB", "en-GB,en-US;q=0.9,en;q=0.8"),
        ("ja", "ja,en-US;q=0.9,en;q=0.8"),
        ("zh-hant-tw", "zh-Hant-TW,zh;q=0.9,en-US;q=0.8,en;q=0.7"),
    ],
)
def test_english_is_the_last_language_that_is_accepted(engine: Engine, site: Site, locale: str, sent: str):
    since = len(site.requests)
    assert colour(engine.capture(site.add("/tongue", body("green")), locale=locale, width=400, height=300)) == GREEN
    assert Witness(site, since).sent("/tongue", "accept-language") == sent


@pytest.mark.parametrize("path", OWN_LANGUAGE)
def test_a_user_agent_is_sent_without_client_hints_that_would_contradict_it(german: Witness, path: str):
    assert german.sent(path, "user-agent") == "Reader/2.0 (X)"
    assert {name.lower() for name in german.request(path).headers if name.lower().startswith("sec-ch-ua")} == set()


@pytest.mark.parametrize("who", ["page", "frame", "worker"])
def test_a_page_sees_the_user_agent_that_its_server_is_sent(german: Witness, who: str):
    seen = german.saw(who)
    assert (seen["agent"], seen["brands"]) == ("Reader/2.0 (X)", [])


@pytest.mark.parametrize("who", ["page", "frame"])
def test_preferences_of_colours_and_motion_hold_in_frames_of_other_sites_too(plain: Witness, german: Witness, who: str):
    assert (plain.saw(who)["dark"], plain.saw(who)["still"]) == (False, False)
    assert (german.saw(who)["dark"], german.saw(who)["still"]) == (True, True)


def test_colours_and_motion_are_drawn_as_the_visitor_prefers_them(engine: Engine, site: Site):
    style = """<style>@media (prefers-color-scheme: dark) {body{background:blue!important}}
        @media (prefers-reduced-motion: reduce) {body{background:green!important}}</style>"""
    url = site.add("/preferences", body("white", head=style))
    small = {"width": 400, "height": 300}
    assert colour(engine.capture(url, color_scheme="light", **small)) == WHITE
    assert colour(engine.capture(url, color_scheme="dark", **small)) == BLUE
    assert colour(engine.capture(url, reduced_motion=1, **small)) == GREEN


def test_the_suffix_ends_a_callers_user_agent_too(named: Engine, site: Site):
    since = len(site.requests)
    small = {"width": 400, "height": 300}
    assert colour(named.capture(site.add("/named", body("green")), user_agent="Reader/2.0", **small)) == GREEN
    assert Witness(site, since).sent("/named", "user-agent") == "Reader/2.0 Thumbs/1.0 (+https://x.example)"


def test_the_suffix_ends_a_user_agent_among_the_callers_headers_too(named: Engine, site: Site):
    url = site.add("/named-by-header", "text")
    named.post("/v1/screenshot", json={"url": url, "headers": {"user-agent": "mine/1"}, "width": 400, "height": 300})
    (seen,) = [each for each in site.requests if each.path == "/named-by-header"]
    agents = [value for name, value in seen.headers.items() if name.lower() == "user-agent"]
    assert agents == ["mine/1 Thumbs/1.0 (+https://x.example)"]
