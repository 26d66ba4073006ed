from pathlib import Path

import pytest

from engine.config import EASYLIST
from engine.page import adblock
from tests.engine.page.test_options import BLUE, GREEN, RED, body, colour
from tests.support.engine import Engine, running_engine
from tests.support.site import Site

PAGE = body(
    "green",
    "<img src=/ad728.png><script src=/ad_728.js></script><script src=/photo.js></script>",
)


@pytest.fixture
def url(site: Site) -> str:
    site.requests.clear()
    site.add("/ad728.png", b"", content_type="image/png")
    site.add("/ad_728.js", "document.body.style.background = 'red'", content_type="text/javascript")
    site.add("/photo.js", "", content_type="text/javascript")
    return site.add("/with-ads", PAGE)


def test_advertisements_are_shown_unless_they_are_blocked(engine: Engine, site: Site, url: str):
    assert colour(engine.capture(url), (1000, 500)) == RED
    assert site.hits("/ad728.png") == site.hits("/ad_728.js") == 1


@pytest.mark.skipif(not EASYLIST.is_dir(), reason="Debian's webext-ublock-origin-chromium is not installed")
def test_the_lists_of_the_debian_package_block_advertisements(site: Site, url: str):
    with running_engine(PRIVATE_TARGETS=site.address) as engine:
        assert colour(engine.capture(url, block_ads="true"), (1000, 500)) == GREEN
    assert (site.hits("/ad728.png"), site.hits("/ad_728.js"), site.hits("/photo.js")) == (0, 0, 1)


def test_the_operator_can_point_to_other_lists(site: Site, url: str, tmp_path: Path):
    own = tmp_path / "own.txt"
    own.write_text("! a comment\n/ad_728.js$script\n")
    with running_engine(PRIVATE_TARGETS=site.address, ENGINE_FILTER_LISTS=f"/nowhere.txt,{own}") as engine:
        assert colour(engine.capture(url, block_ads="true"), (1000, 500)) == GREEN
        assert (site.hits("/ad728.png"), site.hits("/ad_728.js")) == (1, 0)
        assert engine.logged("a filter list cannot be read")[0]["path"] == "/nowhere.txt"


def test_after_a_redirect_the_files_of_the_landing_page_are_its_own(site: Site, tmp_path: Path):
    own = tmp_path / "own.txt"
    own.write_text("/first.js$script,third-party\n")
    site.add("/first.js", "document.body.style.background = 'green'", content_type="text/javascript")
    other = f"localhost:{site.port}"
    landing = site.add("/landing-with-script", body("red", "<script src=/first.js></script>"))
    here = site.add("/to-other", status=302, headers={"Location": landing.replace(site.address, other)})
    by_script = body("red", f"<script>location = '{landing.replace(site.address, other)}'</script>")
    foreign = body("blue", f"<script src=http://{other}/first.js></script>")
    with running_engine(PRIVATE_TARGETS=f"{site.address},{other}", ENGINE_FILTER_LISTS=own) as engine:
        assert colour(engine.capture(here, block_ads="true")) == GREEN
        assert colour(engine.capture(site.add("/script-to-other", by_script), block_ads="true")) == GREEN
        assert colour(engine.capture(site.add("/foreign-script", foreign), block_ads="true")) == BLUE


def test_trackers_alone_are_blocked_by_the_lists_of_trackers(site: Site, url: str, tmp_path: Path):
    ads, trackers = tmp_path / "easylist.txt", tmp_path / "easyprivacy.txt"
    ads.write_text("/ad728.png$image\n")
    trackers.write_text("/ad_728.js$script\n")
    with running_engine(PRIVATE_TARGETS=site.address, ENGINE_FILTER_LISTS=f"{ads},{trackers}") as engine:
        assert colour(engine.capture(url, block_trackers="true"), (1000, 500)) == GREEN
        assert (site.hits("/ad728.png"), site.hits("/ad_728.js")) == (1, 0)
        engine.capture(url, block_trackers="true", block_ads="true")
        assert (site.hits("/ad728.png"), site.hits("/ad_728.js")) == (1, 0)


def test_without_lists_the_option_has_no_effect_and_a_warning_is_logged(site: Site, url: str):
    with running_engine(PRIVATE_TARGETS=site.address, ENGINE_FILTER_LISTS="/nowhere.txt") as engine:
        assert colour(engine.capture(url, block_ads="true"), (1000, 500)) == RED
        assert engine.logged("no filter list was found, so block_ads does nothing: see ENGINE_FILTER_LISTS")


def test_a_rule_is_matched_by_the_kind_of_request():
    ads = adblock.AdFilter(["||ads.example^$script\n@@||ads.example/fine.js\n"])
    assert ads.blocks("https://ads.example/a.js", "https://e.com/", "Script")
    assert not ads.blocks("https://ads.example/a.png", "https://e.com/", "Image")
    assert not ads.blocks("https://ads.example/fine.js", "https://e.com/", "Script")
    assert not ads.blocks("https://e.com/a.js", "https://e.com/", "Manifest")


def test_a_url_is_judged_by_its_first_4_kb():
    ads = adblock.AdFilter(["/ad_728.js$script\n"])
    for name in ("a", "ä", "\ud800"):  # whatever a page may write
        short, long = (f"https://e.com/{name * length}/ad_728.js" for length in (1000, 5000))
        assert ads.blocks(short, "https://e.com/", "Script")
        assert not ads.blocks(long, "https://e.com/", "Script")
    assert not ads.blocks("https://e.com/a.js", "https://e.com/" + "a" * 5000, "Script")
