"""Each preset of `device`: what its page's server is sent, what the page sees, and its picture."""

import json
from urllib.parse import unquote, urlsplit

import pytest
from PIL import Image

from options import DEVICES
from tests.engine.page.test_options import BLUE, GREEN, RED, body, picture
from tests.support.engine import Engine
from tests.support.site import Site
from tests.support.witness import DOCUMENT, FRAME, SIGHT, TELL, TOLD, WORKER, Witness, visit

META = "<meta name=viewport content='width=device-width, initial-scale=1'>"
UPRIGHT = [name for name, device in DEVICES.items() if device.system.mobile]


def look(engine: Engine, site: Site, **options) -> tuple[Witness, dict, Image.Image]:
    """Capture a page, and return what its server was sent, what it saw, and its picture."""
    told = TELL.replace("NAME", "page")
    url = site.add("/held", body("green", f"<script>{SIGHT}{told}</script>", META))
    site.add(TOLD["page"])
    since = len(site.requests)
    answer = engine.capture(url, **options)
    witness = Witness(site, since)
    return witness, json.loads(unquote(urlsplit(witness.request(TOLD["page"]).path).query)), picture(answer)


@pytest.mark.parametrize("name", DEVICES)
def test_a_page_sees_the_device_and_is_sent_client_hints_by_those_that_have_chrome(
    engine: Engine, site: Site, name: str
):
    device, major = DEVICES[name], engine.health()["browser"].partition("/")[2].partition(".")[0]
    witness, seen, image = look(engine, site, device=name)
    handheld = device.system.mobile
    assert seen["inner"] == [device.width, device.height]
    assert all(screen >= inner for screen, inner in zip(seen["screen"], seen["inner"], strict=True))
    assert all(outer >= inner for outer, inner in zip(seen["outer"], seen["inner"], strict=True))
    assert (seen["scale"], seen["touches"] > 0) == (device.scale, handheld)
    assert (seen["coarse"], seen["hover"], seen["upright"]) == (handheld, not handheld, handheld)
    agent = device.system.agent.replace("{major}", major)
    assert (witness.sent("/held", "user-agent"), seen["agent"], seen["platform"]) == (
        agent,
        agent,
        device.system.platform,
    )
    for side, wanted in zip(image.size, (device.width, device.height), strict=True):
        assert abs(side - wanted * device.scale) < 1
    assert image.getpixel((10, 10)) == GREEN
    if not device.system.hints:
        assert [each for each in witness.request("/held").headers if each.lower().startswith("sec-ch-ua")] == []
        assert seen["brands"] == []
        return
    system, mobile = device.system.hints["platform"], device.form == "Mobile"
    assert '"Google Chrome"' in witness.sent("/held", "sec-ch-ua")
    assert witness.sent("/held", "sec-ch-ua-platform") == f'"{system}"'
    assert witness.sent("/held", "sec-ch-ua-mobile") == f"?{mobile:d}"
    assert (seen["system"], seen["mobile"]) == (system, mobile)


@pytest.mark.parametrize("name", ["iphone-15-pro", "pixel-8"])
def test_frames_of_other_sites_and_workers_see_the_device_too(engine: Engine, site: Site, name: str):
    witness, device = visit(engine, site, device=name), DEVICES[name]
    agents = {witness.saw(who)["agent"] for who in ("page", "frame", "worker")}
    assert len(agents) == 1
    assert agents == {witness.sent(path, "user-agent") for path in (DOCUMENT, FRAME, WORKER, TOLD["worker"])}
    frame = witness.saw("frame")
    assert (frame["coarse"], frame["touches"], frame["platform"]) == (True, 5, device.system.platform)


def test_options_beside_a_device_win(engine: Engine, site: Site):
    witness, seen, image = look(engine, site, device="iPhone 14", width=400, scale=1, user_agent="Reader/2.0")
    assert (seen["inner"], seen["scale"], seen["touches"]) == ([400, 844], 1, 5)
    assert image.size == (400, 844)
    assert witness.sent("/held", "user-agent") == seen["agent"] == "Reader/2.0"


def test_a_device_lies_on_its_side_in_landscape(engine: Engine, site: Site):
    _, seen, image = look(engine, site, device="ipad", viewport_landscape="true", scale=1)
    assert (seen["inner"], seen["screen"], seen["upright"]) == ([1180, 820], [1180, 820], False)
    assert image.size == (1180, 820)


def test_an_unknown_device_is_refused_with_the_known_ones(engine: Engine, site: Site):
    answer = engine.capture(site.url("/held"), device="nokia-3310")
    assert answer.status_code == 400
    assert answer.json()["message"] == f"device: must be {', '.join([*DEVICES][:-1])} or {[*DEVICES][-1]}"


@pytest.fixture(scope="module")
def old_page(site: Site) -> str:
    """A page that is not made for phones: 980 CSS pixels wide there, and 3,200 tall."""
    stripes = "".join(f"<div style='height:1500px;background:{colour}'></div>" for colour in ("red", "blue"))
    return site.add(
        "/old", body("white", f"{stripes}<div id=end style='width:490px;height:200px;background:green'></div>")
    )


def test_a_phone_shows_a_page_that_is_not_made_for_it_smaller(engine: Engine, old_page: str):
    image = picture(engine.capture(old_page, device="iphone-14", scale=1))
    zoom = 390 / 980
    assert [image.getpixel((380, round(y * zoom))) for y in (1480, 1520)] == [RED, BLUE]


def test_the_whole_of_such_a_page_ends_where_the_page_ends(engine: Engine, old_page: str):
    answer = engine.capture(old_page, device="iphone-14", scale=2, full_page=1)
    image, zoom = picture(answer), 390 / 980
    assert abs(image.height - 2 * 3200 * zoom) < 10
    assert [image.getpixel((100, round(2 * y * zoom))) for y in (1480, 1520, 3100)] == [RED, BLUE, GREEN]
    cut = engine.capture(old_page, device="iphone-14", scale=1, full_page=1, max_height=400)
    assert (picture(cut).size, cut.headers["X-Thumb-Note"]) == ((390, 400), "cut-at=400")
    assert picture(cut).getpixel((380, 390)) == RED


def test_an_element_of_such_a_page_is_as_small_as_a_visitor_sees_it(engine: Engine, old_page: str):
    image = picture(engine.capture(old_page, device="iphone-14", scale=2, selector="#end"))
    assert abs(image.width - 390) <= 4
    assert abs(image.height - 2 * 200 * 390 / 980) <= 4
    assert image.getpixel((200, 80)) == GREEN


@pytest.mark.parametrize("options", [{"full_page": 1}, {"selector": "#end"}])
def test_a_page_that_is_made_for_phones_is_shown_whole(engine: Engine, site: Site, options: dict):
    inside = "<div style='height:2000px'></div><div id=end style='height:200px;background:green'></div>"
    url = site.add("/modern", body("white", inside, META))
    image = picture(engine.capture(url, device="pixel-8", scale=1, **options))
    assert image.size == ((412, 2200) if "full_page" in options else (412, 200))
    assert image.getpixel((200, image.height - 10)) == GREEN
