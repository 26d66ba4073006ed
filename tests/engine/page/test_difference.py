"""Tests what counts as a visible change, on pages as Chromium draws them."""

from pathlib import Path

import pytest

import images
from tests.support.engine import Engine
from tests.support.site import Site

DASHBOARD = (Path(__file__).parents[3] / "demo" / "pages" / "dashboard.html").read_text(encoding="utf-8")
FORM = "<h1>Sign in</h1><input autofocus value=name style='font-size: 28px; caret-color: black'>"


def difference(engine: Engine, site: Site, before: str, after: str, **options: object) -> int:
    pictures = []
    for page in (before, after):
        answer = engine.capture(site.add("/page", page), **options)
        assert answer.status_code == 200
        pictures.append(answer.content)
    return images.difference(*pictures, hairline=int(str(options.get("scale", 1))))


@pytest.mark.parametrize(
    ("what", "instead"),
    [("4,812", "4,813"), ("46 of 50", "47 of 50"), ("9 of 24", "8 of 24"), ("06:00", "08:00"), ("width:61%", "width:62%")],
    ids=["headline figure", "digit of 15 px", "round digit of 15 px", "pale digit of 12 px", "a bar 3 px longer"],
)  # fmt: skip
def test_a_changed_figure_is_a_visible_change(engine: Engine, site: Site, what, instead):
    assert what in DASHBOARD
    assert difference(engine, site, DASHBOARD, DASHBOARD.replace(what, instead)) > images.INVISIBLE


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (DASHBOARD, DASHBOARD + "<!-- served by node 17 -->"),
        (FORM, FORM.replace("caret-color: black", "caret-color: transparent")),
        (DASHBOARD, DASHBOARD.replace("#10151f", "#111620")),
    ],
    ids=["the same page again", "a blinking caret", "a background one shade lighter"],
)
def test_an_invisible_difference_is_no_change(engine: Engine, site: Site, before, after):
    assert difference(engine, site, before, after) <= images.INVISIBLE


def test_a_caret_is_no_change_at_a_scale_of_two_either(engine: Engine, site: Site):
    without = FORM.replace("caret-color: black", "caret-color: transparent")
    assert difference(engine, site, FORM, without, scale=2) <= images.INVISIBLE
