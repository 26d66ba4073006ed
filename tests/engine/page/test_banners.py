"""Consent banners are refused by their own buttons and hidden. Nothing else is pressed, and no other page is touched."""

import json
import tomllib
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import pytest
from PIL import Image
from requests import Response

from engine.page.banners import WORDS
from tests.engine.page.test_options import BLUE, GREEN, WHITE
from tests.support.banners import (
    ACCEPT,
    BANNER,
    BAR,
    BUTTONS,
    CHATS,
    COOKIES,
    OTHER_TOOLS,
    POP_UPS,
    REFUSE,
    SETTINGS,
    TOOLS,
    UNKNOWN,
    groups,
    in_frame,
    in_shadow,
    later,
    named,
    of_tool,
    page,
    refused_by,
    shown,
    stacked,
    worded,
)
from tests.support.engine import Engine
from tests.support.preloaded import ROOT
from tests.support.site import Site

YELLOW, GREY = (255, 255, 0), (128, 128, 128)
TOP, BOTTOM = (390, 10), (200, 280)
# Bars one above the other in one page, where that is as good as a page for each, and a point in each, from the bottom up.
STACK = 4
TALLER = {"height": 100 * STACK + 100}
IN_BARS = [(200, TALLER["height"] - 100 * n - 20) for n in range(STACK)]
FLOW = "margin-top:200px;height:100px;background:grey"
GREEN_PAGE = "document.body.style.background = &quot;green&quot;"
FILL = "position:fixed;inset:0;z-index:9"

# Pages of several banners, each of which is to be refused.
REFUSED_TOGETHER = {
    "names and words": {
        "a name and words": f"<div class=cookie-banner style='{BAR}'>Vi använder cookies <button {ACCEPT}>Acceptera</button><button {REFUSE}>Avvisa</button></div>",
        "a name and a word on privacy": f"""<div id=gdpr style='{BAR}'>We value your privacy. <a href=/p>Policy</a>
        <button {ACCEPT}>Accept</button><button {REFUSE}>Decline</button></div>""",
        "an ordinary name that wraps what lies above": f"""<div id=klaro><i></i><div class=klaro><div style='{BAR}'>
        <button {ACCEPT}>*</button> <button class=cn-decline {REFUSE}>*</button></div></div></div>""",
        "a link to a script": f"""<div style="{BAR}">{COOKIES}
        <a href="javascript:void(top.postMessage('green', '*'))">Reject all</a></div>""",
    },
    "shadow roots": {
        "in a shadow root": in_shadow(BANNER),
        "components in components": in_shadow(
            f"<div style='{BAR}'>{COOKIES} <x-button>Reject all</x-button></div>",
            script="""const button = here.shadowRoot.querySelector('x-button');
            button.attachShadow({mode: 'open'}).innerHTML = '<button><slot></slot></button>';
            button.onclick = () => top.postMessage('green', '*')""",
        ),
        "slotted into a shadow root": in_shadow(f"<div style='{BAR}'><slot></slot></div>", COOKIES + BUTTONS),
        "a tool in a shadow root": in_shadow(BUTTONS, host=f"aside id=usercentrics-cmp-ui style='{BAR}'"),
    },
    "frames": {
        "a frame": in_frame("src=/banner-frame"),
        "a frame of another site": in_frame("src=OTHER_SITE/banner-frame"),
        "a sandboxed frame": in_frame("src=/banner-frame sandbox=allow-scripts"),
    },
}
REFUSED = {
    "late": later(BANNER, 1600),
    "Sourcepoint's frame": f"""<div id=sp_message_container_12 style='{FILL};background:#000c'>
        {in_frame("src=OTHER_SITE/sourcepoint-frame")}</div>""",
    "a modal dialog": f"<dialog>{COOKIES} {BUTTONS}</dialog><script>document.querySelector('dialog').showModal()</script>",
    "an overlay": f"<div style='{FILL};background:#000c'><div style='margin:99px;background:grey'>{COOKIES} {BUTTONS}</div></div>",
    "a wall before the page": f"<p>Page<div style='{FILL};background:grey'>{COOKIES} {BUTTONS}</div>",
    "a bar without a name that pushes the page down": f"<div><div style='height:70px;background:grey'>{COOKIES} {BUTTONS}</div></div><p>Page",
    "a bar at the top of the page": f"<div class=site-cookie-bar style='height:70px;background:grey'>{COOKIES} {BUTTONS}</div>",
    "a second layer": f"""<div id=qc-cmp2-container style='{BAR}'><button {ACCEPT}>AGREE</button><button id=more-options-btn
        onclick="this.outerHTML = `<button onclick='{GREEN_PAGE}'>Reject all</button>`">MORE OPTIONS</button></div>""",
    "one that reloads": f"""<script>if (document.cookie) document.body.style.background = 'green'
        else document.write(`{refused_by("document.cookie = 'refused=1'; location.reload()")}`)</script>""",
    "a form": f"""<form action=/banner-sent onsubmit='{GREEN_PAGE}' style='{BAR}'>{COOKIES}
        <button>Reject all</button></form>""",
    "one whose page waits for the answer": refused_by(
        "this.parentNode.remove(); fetch('/banner-slow').then(() => { document.body.style.background = 'green' })"
    ),
    "one that comes back": f"""<script>let turn = 0; const show = () => {{
        document.body.insertAdjacentHTML('beforeend', `<div id=turn${{++turn}} style='{BAR}'>{COOKIES} <a>Reject all</a></div>`);
        document.body.lastChild.lastChild.onclick = event => {{
          event.target.parentNode.remove(); document.body.style.background = 'green'; show() }} }}; show()</script>""",
}
ONLY_HIDDEN_BARS = {
    "a banner that only accepts": f"<div style='{BAR}'>{COOKIES} <button {ACCEPT}>OK</button></div>",
    "one that leaves only a subscription": f"""<div style='{BAR}'>Wir und unsere Partner verwenden Cookies, für die wir Ihre
        Einwilligung brauchen. <button {ACCEPT}>Einwilligen und weiter</button> <a href=/banner-left>Abo</a></div>""",
    "one whose refusal is a link to elsewhere": f"<div style='{BAR}'>{COOKIES} <a href=/banner-left {REFUSE}>Reject all</a></div>",
    "one whose refusal is disabled": f"<div style='{BAR}'>{COOKIES} <button disabled {REFUSE}>Reject all</button></div>",
    "one whose refusal is no whole text": f"<div style='{BAR}'>{COOKIES} <a {REFUSE}>Reject all, or accept some</a><a>OK</a></div>",
    "a tool whose refusal says that it accepts": f"""<div id=onetrust-banner-sdk style='{BAR}'>
        <button id=onetrust-reject-all-handler {ACCEPT}>Accept all</button></div>""",
    "a name and an icon": f"<div class=my-cookie-bar style='{BAR}'>{COOKIES} <svg {ACCEPT}></svg></div>",
    "a name and words of a language that is not in the table": f"""<div class='a siteCookieConsent' style='{BAR}'>
        Við notum cookies <a href=/c>Nánar</a> <button {ACCEPT}>Samþykkja</button><button {REFUSE}>Hafna</button></div>""",
    "an icon for a button": f"<div style='{BAR}'><p>{COOKIES} <a href=/c>More</a></p><span>×</span></div>",
    "buttons with words of their own": f"<div style='{BAR}'><b>🍪</b> {COOKIES} <button {REFUSE}>Nope</button><button {ACCEPT}>Yum!</button></div>",
    "a sentence in pieces": f"<div style='{BAR}'><p>This <b>site</b> uses <b>cookies</b></p><i class=icon-close></i></div>",
    "the words of the advertisers": f"""<div style='{BAR}'>We and our 874 partners store and access information on your device.
        <button {ACCEPT}>Consent</button><button {SETTINGS}>Manage options</button></div>""",
    "a law's name": f"""<div style='{BAR}'>Ao navegar neste site, você concorda com a nossa política (LGPD).
        <button {ACCEPT}>Entendi</button></div>""",
}
ONLY_HIDDEN = {
    "tools without a refusal": named(OTHER_TOOLS),
    "a closed shadow root": in_shadow(BANNER, host="div id=usercentrics-root", mode="closed"),
    "one that never returns": refused_by("while (true);"),
    "a frame that never returns": in_frame("src=OTHER_SITE/endless-frame"),
    "endless dialogs": refused_by("while (true) confirm('Sure?')"),
    "one that reloads the page and comes back": refused_by("location.reload()"),
}
UNTOUCHED_BARS = {
    "an ordinary name of a header": f"""<div class=unic style='{BAR}'><nav><a href=/1>Home</a></nav> <button {REFUSE}>Decline</button></div>""",
    "a footer of links": f"<div style='{BAR}'><a href=/c>Cookies</a> <a href=/p>Privacy policy</a> <a {ACCEPT}>Close</a></div>",
    "a footer of links in many languages": f"""<div style='{BAR};font-size:9px'>Cookies Integritetspolicy Användarvillkor Privatlivspolitik
        Brugerbetingelser Personvern Tietosuoja Käyttöehdot Ochrana soukromí Podmínky používání Ochrana súkromia Podmienky používania
        Adatvédelem Felhasználási feltételek Politica de confidențialitate Condiții de utilizare Πολιτική απορρήτου Όροι χρήσης
        Поверителност Условия за използване Privatnost Uvjeti korištenja Zasebnost Pogoji uporabe Privaatsus Kasutustingimused
        Privātuma politika Lietošanas noteikumi Privatumo politika Naudojimo sąlygos Gizlilik Kullanım koşulları Умови використання
        Политика конфиденциальности Пользовательское соглашение プライバシーポリシー 個人情報の利用について 利用規約 개인정보처리방침 이용약관
        隐私政策 使用条款 <br><a {ACCEPT}>Stäng</a> <a {ACCEPT}>Закрыть</a> <a {ACCEPT}>閉じる</a></div>""",
    "a bakery's bar": f"<div style='{BAR}'>Fresh cookies every day! <a {ACCEPT}>Order</a> <a {REFUSE}>No thanks</a></div>",
    "a bakery's header": f"<div class='cookie-shop-header' style='{BAR}'>Våra cookies <a {ACCEPT}>Beställ</a> <a {REFUSE}>Avvisa</a></div>",
    "a bakery's menu": f"<div class=cookie-bar style='{BAR}'>Cookies {''.join(f'<a href=/{n}>{n}</a>' for n in range(4))}</div>",
    "a chat": f"<div class=chat style='{BAR}'>Undrar du något om cookies? <a {ACCEPT}>Skicka</a> <a {REFUSE}>Nej tack</a></div>",
    "a header that knows of a banner": f"""<div class='has-cookie-banner cookie-banner-open' style='{BAR}'>
        Cookies & cakes <a {REFUSE}>Avvisa</a></div>""",
    "a log-in that speaks of cookies last": f"""<div role=dialog style='{BAR}'><p>Log in</p> <button {REFUSE}>With a friend</button>
        <p>By continuing, you agree to our use of cookies.</p></div>""",
    "a conversation about cookies": f"<div style='{BAR}'>We use cookies here. <textarea></textarea> <button {REFUSE}>Send</button></div>",
    "a cart of cookies": f"""<div style='{BAR}'>Chocolate cookies, 2 x 4 $. By checking out you agree to our terms.
        <button {REFUSE}>Check out</button></div>""",
    "an application for cookies": f"<div style='{BAR}'>Cookie editor: all that a site uses <button {REFUSE}>Add</button></div>",
    "a tooltip": f"""<div style='{BAR};position:absolute;z-index:10'>This site uses cookies. <span>×</span></div>""",
    "a heading about cookies": f"<h2 style='{BAR};margin:0'>How this site uses cookies <a href=#a {REFUSE}>#</a></h2>",
    "a line about cookies that asks nothing": f"<div style='{BAR}'>{COOKIES}</div>",
    "a newsletter": f"""<div role=dialog style='{BAR}'>Subscribe! We use cookies and your consent. <input type=email>
        <a {REFUSE}>No thanks</a></div>""",
}
UNTOUCHED = {
    "an article about banners": f"<article style='{FLOW}'>{COOKIES} {BUTTONS}</article>",
    "a section on cookies": f"<section id=cookies style='{FLOW}'>{COOKIES} {BUTTONS}</section>",
    "ordinary names of tools": "<p style='margin:0;height:200px'>Page</p>"
    + "".join(
        f"<section {each} style='height:25px;background:grey'>Clubs <a style='position:absolute;z-index:10'>!</a> <a {REFUSE}>Decline</a></section>"
        for each in ("id=ccc", "class=unic", "id=rcc", "class=klaro")
    ),
    "a named box in the flow": f"<section class=cookie-banner style='{FLOW}'>Vi använder cookies {BUTTONS} <a {REFUSE}>Avvisa</a></section>",
    "a choice below the top of the page": f"<p>Page<div>{COOKIES} {BUTTONS}</div><div style='{BAR}'></div>",
    "an application around a banner": f"""<div style='position:fixed;inset:40px 0 0 0;background:grey'>App
        <p style='position:fixed;inset:50px 0 auto 0'>{COOKIES} <a>OK</a></div>""",
    "the header of a page": f"""<div style='position:fixed;left:0;right:0;top:200px;height:100px;background:grey'>
        <a href=/1>Home</a> <a href=/2>Shop</a> <a href=/3>Blog</a> <a href=/4>Cart</a> <p>{COOKIES} {BUTTONS}</div>""",
    "an application's page": f"<div style='position:fixed;inset:0 30px 0 0;padding-top:90px;background:grey'><h1>App</h1><p>{COOKIES} {BUTTONS}</div>",
}
# What a banner does to the page behind it, which has stripes of 100 px.
STRIPES = "".join(f"<p style='height:100px;margin:0;background:{colour}'>text</p>" for colour in ("blue", "white") * 6)
LOCKS = {
    "hidden": "html.cookies-open, .cookies-open body {height: 100%; overflow: hidden}",
    "body": "body {overflow: hidden !important; height: 100%}",
    "fixed": "body {position: fixed; top: -70px; width: 50%; height: 100%; overflow: hidden}",
    "blur": "body > p {filter: blur(30px)}",
    "faint": "body > p {opacity: .2}",
    "shade": ".shade {position: fixed; inset: 0; z-index: 1; background: #000a; backdrop-filter: blur(5px)}",
    "class": ".cookies-open body::after {content: ''; position: fixed; inset: 0; background: #000a}",
}
WHOLE_LOCKS = ("hidden", "body", "fixed", "blur")  # what a window shows of the first two, the whole page shows too
LOCK = """<script>document.documentElement.className = 'cookies-open'
    document.body.style.cssText = 'overflow: hidden; padding-right: 15px'</script>"""
LOCKED = f"{STRIPES}<div class=shade></div>{BANNER}{LOCK}"
WHOLE = {"full_page": 1}
# How a page makes room for a banner of 70 px at its top: styles, and a script.
ROOMS = {
    "the body's padding": ("", "document.body.style.paddingTop = '70px'"),
    "the document's margin": ("", "document.documentElement.style.marginTop = bar.offsetHeight + 'px'"),
    "the body's place": ("", "document.body.style.cssText = 'position: relative; top: 70px'"),
    "a wrapper that is moved": ("main {transition: transform 1s}", "main.style.transform = 'translateY(70px)'"),
    "a class": (".moved {padding-top: 70px}", "document.body.className = 'moved'"),
    "a variable": (
        "main {padding-top: calc(var(--banner-height, 0px) + 0px)}",
        "document.documentElement.style.setProperty('--banner-height', '70px')",
    ),
    "a spacer": ("", "document.body.insertAdjacentHTML('afterbegin', '<div style=height:70px></div>')"),
    "a header that is fixed below it": (
        "header {position: fixed; top: 0; width: 100%; height: 100px; background: blue} main > :first-child {display: none}",
        "header.style.top = '70px'; document.body.style.paddingTop = '170px'",
    ),
    "a header's padding": (
        "header {height: 100px; background: blue} main > :first-child {display: none}",
        "header.style.paddingTop = '70px'",
    ),
    "a page that is refused": (
        "",
        "document.body.style.paddingTop = '70px'; bar.querySelectorAll('button')[2].onclick = () => bar.remove()",
    ),
}
# What looks like that room, but is the page's own: a blue header or hero of 70 px.
OWN_ROOMS = {
    "a fixed header as high as the banner": (
        "header {position: fixed; top: 0; width: 100%; height: 70px; background: blue}",
        "document.body.style.paddingTop = '70px'",
    ),
    "a hero with a padding": ("main {padding-top: 70px; background: blue}", ""),
    "a paragraph with a padding": ("main > :first-child {padding-top: 70px}", ""),
    "a margin of another size": ("html {background: blue; padding-top: 30px} body {margin-top: 40px}", ""),
}


def pushing(style: str, script: str) -> str:
    bar = BANNER.replace("bottom:0;height:100px", "top:0;height:70px;z-index:9").replace("<div", "<div id=bar", 1)
    return page(
        f"<header id=header></header><main id=main>{STRIPES}</main>{bar}<script>{{ const [header, main, bar] ="
        f" ['header', 'main', 'bar'].map(id => document.getElementById(id)); {script} }}</script>",
        style,
    )


ON_SCROLL = f"<script>onscroll = () => {{ onscroll = null; {shown(BANNER)} }}</script>"

Pages = dict[str, tuple[str, dict[str, object]]]
TOOL_GROUPS, LANGUAGE_GROUPS = groups(TOOLS, 19), groups(UNKNOWN, 15)
PAGES: Pages = {
    **{
        name: (page("".join(of_tool(TOOLS[each]) for each in group), banners=len(group)), {})
        for name, group in TOOL_GROUPS.items()
    },
    **{
        name: (page("".join(worded(*UNKNOWN[each]) for each in group), banners=len(group)), {})
        for name, group in LANGUAGE_GROUPS.items()
    },
    **{name: (page("".join(each.values()), banners=len(each)), {}) for name, each in REFUSED_TOGETHER.items()},
    **{
        name: (page(stacked(bars[each] for each in group)), TALLER)
        for bars in (UNTOUCHED_BARS, ONLY_HIDDEN_BARS)
        for name, group in groups(bars, STACK).items()
    },
    "all refused, one above the other": (page(stacked([BANNER] * STACK), banners=STACK), TALLER),
    **{name: (page(inside), {}) for name, inside in {**REFUSED, **ONLY_HIDDEN, **UNTOUCHED}.items()},
    **{f"locked: {name}": (page(LOCKED, style), {}) for name, style in LOCKS.items() if name not in WHOLE_LOCKS},
    **{f"locked whole: {name}": (page(LOCKED, LOCKS[name]), WHOLE) for name in WHOLE_LOCKS},
    **{f"room: {name}": (pushing(*room), {}) for name, room in {**ROOMS, **OWN_ROOMS}.items()},
    "room at the bottom": (
        page(STRIPES + BANNER + "<script>document.body.style.paddingBottom = '100px'</script>"),
        WHOLE,
    ),
    "locked without a banner": (page(STRIPES, f"{LOCKS['fixed']} body {{filter: grayscale(1)}}"), {}),
    "on scroll": (page(STRIPES + ON_SCROLL), WHOLE),
    "ordinary names beside a banner": (
        page(f"<section class=unic style='{FLOW}'>Clubs {BUTTONS}</section>{BANNER}"),
        {},
    ),
    "not to be refused": (page(BANNER), {"block_cookie_banners": 0, "block_chats": 1}),
    "chats": (page(named(CHATS)), {"block_chats": 1}),
    "chats, shown": (page(named(CHATS)), {}),
    "pop-ups": (
        page(STRIPES + named(POP_UPS, f"<button {REFUSE}>No thanks</button>"), LOCKS["blur"]),
        {"block_chats": 1},
    ),
}


@pytest.fixture(scope="module")
def responses(engine: Engine, site: Site) -> dict[str, Response]:
    other_site = f"http://localhost:{site.port}"
    choices = (
        f"<button class=sp_choice_type_11 {ACCEPT}>Yes</button><button class=sp_choice_type_13 {REFUSE}>*</button>"
    )
    site.add("/banner-slow", late=0.8)
    site.add("/banner-frame", f"<body style='background:grey'>{COOKIES} {BUTTONS}")
    site.add("/endless-frame", f"<body style='background:grey'>{refused_by('while (true);')}")
    site.add("/sourcepoint-frame", f"<body style='background:grey'>{COOKIES} {choices}")

    def capture(number: int, html: str, options: dict[str, object]) -> Response:
        url = site.add(f"/banner/{number}", html.replace("OTHER_SITE", other_site))
        return engine.capture(url, **{"width": 400, "height": 300, "block_cookie_banners": 1} | options)

    with ThreadPoolExecutor(2) as pool:
        waiting = {name: pool.submit(capture, number, *each) for number, (name, each) in enumerate(PAGES.items())}
        return {name: each.result() for name, each in waiting.items()}


@pytest.fixture
def colours(responses: dict[str, Response]):
    def colours(name: str, *places: tuple[int, int]) -> list[tuple[int, ...]]:
        assert responses[name].status_code == 200, responses[name].text
        picture = Image.open(BytesIO(responses[name].content)).convert("RGB")
        return [picture.getpixel(place) for place in places]

    return colours


@pytest.mark.parametrize("name", [*TOOL_GROUPS, *LANGUAGE_GROUPS, *REFUSED_TOGETHER, *REFUSED])
def test_what_refuses_is_pressed_and_the_banner_is_hidden(colours, name: str):
    assert colours(name, TOP, BOTTOM) == [GREEN, GREEN]


def test_bars_above_one_another_are_all_refused_and_hidden(colours):
    """So that the bars below are not left because of their places."""
    assert colours("all refused, one above the other", TOP, *IN_BARS) == [GREEN] * (1 + STACK)


@pytest.mark.parametrize("names", groups(ONLY_HIDDEN_BARS, STACK))
def test_bars_that_cannot_be_refused_are_only_hidden(colours, names: str):
    assert colours(names, TOP, *IN_BARS) == [YELLOW] * (1 + STACK)


@pytest.mark.parametrize("names", groups(UNTOUCHED_BARS, STACK))
def test_bars_that_are_no_banners_stay_and_nothing_in_them_is_pressed(colours, names: str):
    assert colours(names, TOP, *IN_BARS) == [YELLOW] + [GREY] * STACK


@pytest.mark.parametrize("name", ONLY_HIDDEN)
def test_a_banner_that_cannot_be_refused_is_only_hidden(colours, name: str):
    assert colours(name, TOP, BOTTOM) == [YELLOW, YELLOW]


@pytest.mark.parametrize("name", UNTOUCHED)
def test_what_is_no_banner_stays_and_nothing_in_it_is_pressed(colours, name: str):
    assert colours(name, TOP, BOTTOM) == [YELLOW, GREY]


def test_ordinary_names_of_tools_stay_beside_a_banner(colours):
    assert colours("ordinary names beside a banner", TOP, BOTTOM) == [GREEN, GREY]


def test_no_page_is_left_and_no_form_is_sent(responses, site: Site):
    assert site.hits("/banner-left") == site.hits("/banner-sent") == 0


def test_the_option_is_off_by_default_in_the_engine_and_leaves_all(colours):
    assert colours("not to be refused", TOP, BOTTOM) == [YELLOW, GREY]


@pytest.mark.parametrize("name", LOCKS)
def test_what_a_banner_does_to_the_page_is_taken_back(colours, name: str):
    shown = "locked whole" if name in WHOLE_LOCKS else "locked"
    assert colours(f"{shown}: {name}", (390, 10), (390, 97), (390, 103)) == [BLUE, BLUE, WHITE]


@pytest.mark.parametrize("name", WHOLE_LOCKS)
def test_what_a_banner_does_to_the_whole_page_is_taken_back(colours, name: str):
    assert colours(f"locked whole: {name}", (390, 1097), (390, 1103)) == [BLUE, WHITE]


@pytest.mark.parametrize("name", ROOMS)
def test_the_room_of_a_banner_is_taken_back(colours, name: str):
    assert colours(f"room: {name}", (390, 10), (390, 97), (390, 103)) == [BLUE, BLUE, WHITE]


@pytest.mark.parametrize("name", OWN_ROOMS)
def test_room_that_is_the_page_s_own_stays(colours, name: str):
    assert colours(f"room: {name}", (390, 10), (390, 60), (390, 167), (390, 173)) == [BLUE, BLUE, BLUE, WHITE]


def test_the_room_of_a_banner_at_the_bottom_is_taken_back(responses):
    assert Image.open(BytesIO(responses["room at the bottom"].content)).size == (400, 1200)


def test_a_page_that_locks_itself_without_a_banner_stays_locked(colours):
    left, right = colours("locked without a banner", (10, 10), TOP)
    assert left not in (BLUE, WHITE)
    assert right == YELLOW


def test_a_banner_that_comes_when_a_whole_page_is_scrolled_is_hidden(colours):
    assert colours("on scroll", (200, 10), (200, 1180)) == [BLUE, WHITE]


def test_chat_widgets_are_hidden_where_that_is_asked_for(colours):
    assert colours("chats", TOP, BOTTOM) == [YELLOW, YELLOW]
    assert colours("chats, shown", TOP, BOTTOM) == [YELLOW, GREY]


def test_pop_ups_are_hidden_and_their_locks_taken_back_but_no_button_is_pressed(colours):
    assert colours("pop-ups", TOP, (200, 203), (200, 297)) == [BLUE, BLUE, BLUE]


def test_every_selector_and_pattern_of_the_tables_is_valid(engine: Engine, site: Site):
    tables = [tomllib.loads((ROOT / "engine/data" / name).read_text()) for name in ("banners.toml", "chats.toml")]
    keys = ("banner", "overlay", "refuse", "settings", "hide")
    selectors = [each for table in tables for tool in table["tool"] for key in keys for each in tool.get(key, ())]
    languages = tomllib.loads((ROOT / "engine/data/consent_words.toml").read_text())["language"]
    patterns = [pattern for language in languages for kind in WORDS for pattern in language[kind]]
    assert patterns == [unicodedata.normalize("NFC", pattern) for pattern in patterns]
    script = f"""{json.dumps(selectors)}.forEach(each => document.querySelector(each));
        {json.dumps(patterns)}.forEach(each => new RegExp(each, 'u')); document.body.style.background = 'green'"""
    url = site.add("/banner-tables", page(f"<script>{script}</script>"))
    picture = Image.open(BytesIO(engine.capture(url, width=400, height=300).content)).convert("RGB")
    assert picture.getpixel(TOP) == GREEN
