"""What a browser shows of each template: nothing overflows, all texts are drawn and readable, in five scripts and at any length."""

import base64
import io
from functools import cache

import pytest
from PIL import Image, ImageChops

import cards
from cards.colours import contrast
from tests.support.browser import browser  # noqa: F401 - a fixture

TEMPLATES = cards.load()
TEXTS = {
    "latin": "How a small team rebuilt its service without losing a picture, or the patience of its readers",
    "arabic": "كيف تبدو الصفحة كما يراها الزائر، وما الذي تدين به الصورة لقارئها",
    "japanese": "ページの画像が読者に負うもの、そして見出しの文字組みについて",
    "emoji": "🎉 Launch day 🚀👩🏽‍🚀 we did it! 🥳🇯🇵",
    "thai": "ภาพของหน้าเว็บควรบอกอะไรแก่ผู้อ่านในครึ่งวินาที",
}
MEASURE = """() => {
  const shown = [...document.querySelectorAll('[data-size], [data-line], time, bdi')]
    .filter((each) => each.checkVisibility() && !each.parentElement.closest('[data-line]'));
  const of = (each) => {
    const range = document.createRange();
    range.selectNodeContents(each);
    const {left, top, right, bottom} = each.getBoundingClientRect();
    return {
      text: each.textContent, colour: getComputedStyle(each).color, box: [left, top, right, bottom],
      lines: [...range.getClientRects()].map((line) => [line.left, line.top, line.right, line.bottom]),
      one: each.matches('[data-line]'), cut: each.matches('[data-lines]'),
      wide: each.scrollWidth - each.clientWidth,
    };
  };
  const boxes = [...document.querySelectorAll('[data-fit], body, main, figure')];
  return {texts: shown.map(of), over: boxes.map((each) => Math.max(each.scrollWidth - each.clientWidth, each.scrollHeight - each.clientHeight))};
}"""


@pytest.fixture(scope="module")
def shown(browser):  # noqa: F811
    """Show a card of a template: `shown("article", title=…)` returns its page. Fails if the page asks for anything."""
    context = browser.new_context(viewport={"width": 1200, "height": 630}, offline=True)
    page, asked, errors = context.new_page(), [], []
    page.on("request", lambda request: request.url.startswith(("data:", "about:")) or asked.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))

    def show(name, size=(1200, 630), pictures=None, /, **values):
        template = TEMPLATES[name]
        data = template.read(values)
        page.set_viewport_size({"width": size[0], "height": size[1]})
        page.set_content(template.render(data, pictures or {}))
        page.wait_for_selector("html[data-fitted]", state="attached")
        assert (asked, errors) == ([], [])
        return page

    yield show
    context.close()


def filled(name, text):
    """All texts of a template, of which the required and the long ones hold `text`; the others keep their example."""
    variables = TEMPLATES[name].variables.values()
    held = {each.name for each in variables if each.type == "long text" or (each.type == "text" and each.required)}
    kept = {each.name: each.example for each in variables if each.example}
    return kept | {
        each.name: text[: each.length]
        for each in variables
        if each.name in held and each.name not in ("version", "repo")
    }


def picture(page):
    """Take the picture of a window, in the encoding that costs the least."""
    session = page.context.new_cdp_session(page)
    taken = session.send("Page.captureScreenshot", {"format": "png", "optimizeForSpeed": True})
    session.detach()
    return Image.open(io.BytesIO(base64.b64decode(taken["data"]))).convert("RGB")


def inside(box, outer, slack=1.5):
    return (
        box[0] >= outer[0] - slack
        and box[1] >= outer[1] - slack
        and box[2] <= outer[2] + slack
        and box[3] <= outer[3] + slack
    )


def assert_nothing_overflows(page, size=(1200, 630)):
    measured = page.evaluate(MEASURE)
    assert max(measured["over"]) <= 1
    for each in measured["texts"]:
        assert inside(each["box"], (0, 0, *size)), each
        assert each["one"] or each["wide"] <= 1, each
    return measured["texts"]


def assert_all_is_drawn(page, texts):
    """Each text changes the picture where it stands, differs from what is below it by what WCAG asks, and is nowhere clipped."""
    drawn = picture(page)
    page.add_style_tag(content="[data-fit], [data-size] { overflow: visible !important }")
    page.evaluate("""document.querySelectorAll('[data-line]').forEach((each) => {
      if (each.scrollWidth <= each.clientWidth) each.style.overflow = 'visible';
    })""")
    assert ImageChops.difference(drawn, picture(page)).getbbox() is None
    page.add_style_tag(content="* { color: transparent !important }")
    ground = picture(page)
    for each in texts:
        if "🎉" in each["text"]:  # an emoji has its own colours
            continue
        colour = "#" + "".join(f"{int(part):02x}" for part in each["colour"][4:-1].split(","))
        for area in (tuple(round(side) for side in line) for line in each["lines"]):
            if area[2] - area[0] < 2:
                continue
            assert ImageChops.difference(drawn.crop(area), ground.crop(area)).getbbox(), each
            below = [shade for count, shade in ground.crop(area).getcolors(2**20) if count > 50]
            assert min(contrast_with(colour, shade) for shade in below) >= 4.4, each


@cache
def contrast_with(colour, shade):
    return contrast(colour, "#{:02x}{:02x}{:02x}".format(*shade))


@pytest.mark.parametrize("script", TEXTS)
@pytest.mark.parametrize("name", TEMPLATES)
def test_a_text_of_any_script_has_room_and_is_readable(shown, name, script):
    page = shown(name, **filled(name, TEXTS[script]))
    texts = assert_nothing_overflows(page)
    assert not [each["text"] for each in texts if each["cut"]]
    assert_all_is_drawn(page, texts)


@pytest.mark.parametrize(
    "colours", [{"theme": "dark"}, {"background": "#777", "accent": "#888"}, {"background": "gold", "accent": "yellow"}]
)
@pytest.mark.parametrize("name", TEMPLATES)
def test_texts_are_readable_in_any_colours(shown, name, colours):
    page = shown(name, **filled(name, "Ink on paper") | colours)
    assert_all_is_drawn(page, assert_nothing_overflows(page))


@pytest.mark.parametrize("text", ["x" * 4000, "Much too long for a card, " * 150], ids=["one word", "words"])
@pytest.mark.parametrize("name", TEMPLATES)
def test_a_text_without_room_ends_in_an_ellipsis(shown, name, text):
    page = shown(name, **{each.name: text[: each.length] for each in TEMPLATES[name].variables.values() if "text" in each.type} | {
        each.name: each.example for each in TEMPLATES[name].variables.values() if each.required and "text" not in each.type
    })  # fmt: skip
    texts = assert_nothing_overflows(page)
    assert name == "repository" or [each for each in texts if each["cut"]]


@pytest.mark.parametrize("size", [(300, 158), (1080, 1920), (2400, 600)])
@pytest.mark.parametrize("name", TEMPLATES)
def test_a_card_of_another_size_has_room_too(shown, name, size):
    assert_nothing_overflows(shown(name, size, **filled(name, TEXTS["latin"])), size)


def size_of(page, selector):
    return page.evaluate(
        "selector => parseFloat(getComputedStyle(document.querySelector(selector)).fontSize)", selector
    )


def test_a_short_title_is_larger_than_a_long_one(shown):
    short = size_of(shown("article", title="Type"), "h1")
    assert short > 1.5 * size_of(shown("article", title="Type and light " * 18), "h1")


def test_a_long_word_shrinks_before_it_breaks(shown):
    page = shown("article", title="Donaudampfschifffahrtsgesellschaft")
    assert (
        page.evaluate(
            "document.querySelector('h1').clientHeight / parseFloat(getComputedStyle(document.querySelector('h1')).lineHeight)"
        )
        < 2
    )
    assert page.query_selector("[data-break]") is None


@pytest.mark.parametrize(
    ("given", "lang", "direction", "date"),
    [
        ({"title": "Type"}, "en", "ltr", "November 29, 2026"),
        ({"title": "Schrift", "lang": "de"}, "de", "ltr", "29. November 2026"),
        ({"title": TEXTS["japanese"]}, "ja", "ltr", "2026年11月29日"),
        ({"title": TEXTS["arabic"], "brand": "Field Notes"}, "ar", "rtl", "29 نوفمبر 2026"),
    ],
)
def test_a_card_follows_the_language_of_its_texts(shown, given, lang, direction, date):
    page = shown("article", date="2026-11-29", **given)
    assert page.evaluate(
        "[document.documentElement.lang, document.dir, document.querySelector('time').textContent]"
    ) == [lang, direction, date]


def test_data_stay_text(shown):
    text = "</title></style><script>hit = 1</script><img src=x onerror='hit = 1'>\" onload=\"hit = 1"
    page = shown("article", title=text, author=text[:100], brand="{{ 7 * 7 }}")
    assert page.evaluate("[typeof hit, document.scripts.length, document.images.length]") == ["undefined", 1, 0]
    assert page.text_content("h1") == text
    assert page.text_content(".brand") == "{{ 7 * 7 }}"


def test_a_figure_is_whole_beside_a_long_language(shown):
    page = shown("repository", repo="octo/kestrel", language="C" * 40, stars="123456789", forks="867")
    cut = "[...document.querySelectorAll('footer [data-line]')].map((each) => each.scrollWidth > each.clientWidth)"
    assert page.evaluate(cut) == [True, False, False]


def test_a_picture_that_does_not_come_leaves_no_hole(shown):
    whole = shown("article", title="Type").evaluate("document.querySelector('.text').clientWidth")
    page = shown("article", title="Type", image="data:image/png;base64,AAAA")
    page.wait_for_selector("img[data-missing]", state="attached")
    assert page.evaluate("document.querySelector('.text').clientWidth") == whole


def test_a_link_shows_the_thumbnail_that_the_service_puts_there(shown):
    given = {"url": "https://example.com/a?b=c", "title": "A page"}
    assert TEMPLATES["link"].thumbnails(TEMPLATES["link"].read(given)) == {"url": given["url"]}
    dot = io.BytesIO()
    Image.new("RGB", (8, 8), "#123456").save(dot, "PNG")
    uri = "data:image/png;base64," + base64.b64encode(dot.getvalue()).decode()
    assert picture(shown("link", (1200, 630), {"url": uri}, **given)).getpixel((1000, 400)) == (0x12, 0x34, 0x56)
    assert picture(shown("link", **given)).getpixel((1000, 400)) != (0x12, 0x34, 0x56)
    assert shown("link", **given).text_content("header b") == "example.com"
