import json
from urllib.parse import parse_qsl

import pytest

from engine.errors import InvalidParams, PlanRequired
from engine.parsing import parse, parse_json, parse_query
from options import CaptureOptions, Clip, Cookie, Target

URL = "https://example.com/"


def refusal(**options) -> str:
    with pytest.raises(InvalidParams) as caught:
        parse({"url": URL} | options)
    return str(caught.value)


def test_defaults_are_those_of_the_hosted_api():
    assert parse({"url": URL}) == CaptureOptions(
        Target(URL, "example.com", 443), width=1280, height=720, full_page=False, scale=1, delay=0, wait_until="settled",
        block_ads=False, block_cookie_banners=False, block_chats=False, dark_mode=False, format="png", quality=80,
    )  # fmt: skip


def test_strings_and_native_types_mean_the_same():
    as_text = {"url": URL, "width": "1000", "full_page": "TRUE", "scale": "1.5", "quality": "7", "delay": "0"}
    native = {"url": URL, "width": 1000, "full_page": True, "scale": 1.5, "quality": 7, "delay": 0}
    assert parse_query(as_text.items()) == parse_json(json.dumps(native).encode()) == parse(as_text)


@pytest.mark.parametrize("word", ["true", "1", "yes", "on", "TRUE", "On", True, 1])
def test_booleans_are_read_as_people_write_them(word):
    assert parse({"url": URL, "dark_mode": word}).dark_mode is True


@pytest.mark.parametrize("word", ["false", "0", "NO", "off", False, 0])
def test_false_is_read_as_people_write_it(word):
    assert parse({"url": URL, "dark_mode": word}).dark_mode is False


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("width", 319, "a whole number of CSS pixels from 320 to 3840"),
        ("width", "1e3", "a whole number of CSS pixels from 320 to 3840"),
        ("width", "1_000", "a whole number of CSS pixels from 320 to 3840"),
        ("width", 1000.5, "a whole number of CSS pixels from 320 to 3840"),
        ("width", True, "a whole number of CSS pixels from 320 to 3840"),
        ("height", 2161, "a whole number of CSS pixels from 240 to 2160"),
        ("quality", 0, "a whole number from 1 to 100"),
        ("quality", True, "a whole number from 1 to 100"),
        ("delay", 10001, "a whole number of milliseconds from 0 to 10000"),
        ("delay", -1, "a whole number of milliseconds from 0 to 10000"),
        ("scale", 3.1, "a number from 1 to 3"),
        ("scale", "nan", "a number from 1 to 3"),
        ("scale", float("nan"), "a number from 1 to 3"),
        ("format", "gif", "png, jpeg, webp or pdf"),
        ("wait_until", "idle", "settled, load, domcontentloaded or networkidle"),
        ("full_page", "maybe", "true or false"),
        ("full_page", "", "true or false"),
        ("full_page", 2, "true or false"),
        ("full_page", [], "true or false"),
        ("selector", " ", "a CSS selector of 1 to 256 characters"),
        ("wait_for", "x" * 257, "a CSS selector of 1 to 256 characters"),
        ("hide_selectors", [1], "a CSS selector of 1 to 2048 characters"),
        ("hide_selectors", ["p", "\ud800"], "a CSS selector of 1 to 2048 characters"),
        ("click", "\ud800", "a CSS selector of 1 to 256 characters"),
        ("color_scheme", "sepia", "light or dark"),
        ("reduced_motion", "some", "true or false"),
        ("locale", "german", "a BCP 47 language tag such as de-DE"),
        ("locale", "de_DE", "a BCP 47 language tag such as de-DE"),
        ("locale", "de,en", "a BCP 47 language tag such as de-DE"),
        ("locale", "", "a BCP 47 language tag such as de-DE"),
        ("timezone", "Berlin", "an IANA time zone such as Europe/Berlin"),
        ("timezone", "europe/berlin", "an IANA time zone such as Europe/Berlin"),
        ("timezone", "../../etc/passwd", "an IANA time zone such as Europe/Berlin"),
        ("timezone", "Europe/../Europe/Berlin", "an IANA time zone such as Europe/Berlin"),
        ("timezone", "Europe", "an IANA time zone such as Europe/Berlin"),
        ("timezone", 1, "an IANA time zone such as Europe/Berlin"),
        ("user_agent", "", "1 to 512 printable ASCII characters"),
        ("user_agent", " ", "1 to 512 printable ASCII characters"),
        ("user_agent", "x" * 513, "1 to 512 printable ASCII characters"),
        ("user_agent", "a\r\nX: y", "1 to 512 printable ASCII characters"),
        ("user_agent", "a\n", "1 to 512 printable ASCII characters"),
        ("user_agent", "für", "1 to 512 printable ASCII characters"),
    ],
)
def test_an_invalid_value_is_refused_with_the_name_and_the_valid_values(name, value, wanted):
    assert refusal(**{name: value}) == f"{name}: must be {wanted}"


def test_an_unknown_option_is_refused_by_name():
    assert refusal(full_pge="1").startswith("'full_pge' is not an option; valid options: block_ads, ")


def test_the_hosted_apis_cache_options_are_accepted_and_do_nothing():
    assert parse({"url": URL, "cache": "true", "cache_ttl": 60}) == parse({"url": URL})


def test_a_null_counts_as_an_omitted_option():
    assert parse({"url": URL, "wait_for": None}) == parse({"url": URL})
    assert refusal(url=None) == "url: is missing; set it to an absolute http or https URL"


def test_a_repeated_option_is_refused():
    with pytest.raises(InvalidParams, match="'width' is set more than once; send it once"):
        parse_query([("url", URL), ("width", "1000"), ("width", "1001")])


def test_a_null_of_an_unknown_name_is_left_out_too():
    assert parse({"url": URL, "css_v2": None}) == parse({"url": URL})


def test_a_list_may_repeat_its_name_as_pythons_client_does():
    repeated = [("url", URL), ("hide_selectors", ".a"), ("hide_selectors", ".b"), ("hide_selectors", "#c")]
    assert parse_query(repeated).hide == ".a, .b, #c"


@pytest.mark.parametrize("nothing", [False, "false", "0", "", 0])
def test_an_option_of_paid_plans_that_asks_for_nothing_is_ignored(nothing):
    assert parse({"url": URL, "stealth": nothing}) == parse({"url": URL})


@pytest.mark.parametrize("option", [("stealth", True), ("proxy", "http://127.0.0.1:1"), ("country", "DE")])
def test_an_option_of_paid_plans_is_refused_as_the_contract_does(option):
    with pytest.raises(PlanRequired, match=f"{option[0]}: is not available here; leave it out"):
        parse({"url": URL} | dict([option]))


def test_retina_is_a_scale_of_two_unless_a_scale_is_given():
    assert parse({"url": URL, "retina": "1"}).scale == 2
    assert parse({"url": URL, "retina": "1", "scale": 1.5}).scale == 1.5


@pytest.mark.parametrize(
    "clip",
    [
        {"x": 1, "y": -2, "width": 30, "height": 4.0},
        [1, -2, 30, 4],
        "1,-2,30,4",
        " 1, -2, 30, 4 ",
        "{'x': 1, 'y': -2, 'width': 30, 'height': 4}",
        '{"height": 4, "width": 30, "y": -2, "x": 1}',
        "[1, -2, 30, 4]",
        "{:x=>1, :y=>-2, :width=>30, :height=>4}",
        "{x: 1, y: -2, width: 30, height: 4}",
    ],
)
def test_a_clip_is_read_as_each_client_writes_it(clip):
    assert parse({"url": URL, "clip": clip}).clip == Clip(1, -2, 30, 4)


@pytest.mark.parametrize(
    "clip",
    ["", "1,2,3", "1,2,3,4,5", "1,2,0,4", "1.5,2,3,4", "[object Object]", "{'x': 1}", "[" * 300, "1e9,0,1,1", [1, 2, 3],
     [True, 0, 1, 1], {"x": 0, "y": 0, "width": 1, "height": "1"}, {"x": 0, "y": 0, "width": 1, "height": 1, "z": 1},
     {"x": 0, "y": 0, "width": 70_000, "height": 1}, {"x": float("nan"), "y": 0, "width": 1, "height": 1}, 7],
)  # fmt: skip
def test_what_is_no_clip_is_refused(clip):
    assert refusal(clip=clip).startswith("clip: must be x,y,width,height in whole CSS pixels, such as 0,0,800,600")


def test_the_members_of_a_clip_and_of_a_list_may_have_names_of_their_own():
    query = "url=http://a.example/&clip[y]=-2&clip[x]=1&clip[width]=30&clip[height]=4&hide_selectors[0]=.a&hide_selectors[1]=.b"
    params = parse_query(parse_qsl(query))
    assert (params.clip, params.hide) == (Clip(1, -2, 30, 4), ".a, .b")


@pytest.mark.parametrize(
    "query",
    [
        "clip[x]=1",
        "clip[x]=1&clip[x]=2",
        "clip[x]=1&clip=1,2,3,4",
        "clip[z]=1",
        "clip[]=1",
        "headers[a]=1",
        "width[0]=400",
    ],
)
def test_a_member_that_is_missing_repeated_or_unknown_is_refused(query):
    with pytest.raises(InvalidParams):
        parse_query(parse_qsl(f"url=http://a.example/&{query}"))


@pytest.mark.parametrize(("name", "value"), [("selector", "p"), ("format", "pdf")])
def test_a_clip_is_refused_beside_what_it_contradicts(name, value):
    assert refusal(clip="0,0,9,9", **{name: value}).startswith("clip: cannot be combined with ")


@pytest.mark.parametrize("value", ["x" * 65_537, "\0", "\ud800", 7, ["x"]])
def test_what_is_no_code_is_refused(value):
    assert refusal(css=value) == "css: must be a style sheet of at most 65536 characters"
    assert refusal(js=value) == "js: must be a script of at most 65536 characters"


def test_empty_code_counts_as_omitted():
    assert parse({"url": URL, "css": "", "js": " \n"}) == parse({"url": URL})


def test_headers_are_read_in_no_order():
    headers = {"X-B": " 2 ", "Authorization": "Basic eA==", "X-A": ""}
    assert parse({"url": URL, "headers": headers}).headers == (
        ("Authorization", "Basic eA=="), ("X-A", ""), ("X-B", "2"),
    )  # fmt: skip
    assert parse({"url": URL, "headers": {}}) == parse({"url": URL})


@pytest.mark.parametrize(
    "name",
    ["Host", "Cookie", "cookie2", "Content-Length", "Connection", "Keep-Alive", "Transfer-Encoding", "TE", "Trailer", "Upgrade",
     "Expect", "Origin", "Accept-Encoding", "Set-Cookie", "Sec-Fetch-Site", "sec-ch-ua", "Proxy-Authorization", "PROXY-X",
     "Access-Control-Request-Method"],
)  # fmt: skip
def test_a_header_that_the_browser_owns_is_refused_by_name(name):
    assert refusal(headers={"X-A": "1", name: "x"}) == f"headers: must be without {name}, which the browser sets itself"


@pytest.mark.parametrize(
    "headers",
    ["X-A: 1", ["X-A"], {"": "1"}, {"X A": "1"}, {"X:A": "1"}, {"X-A\n": "1"}, {"X-\xe4": "1"}, {"X-A": 1}, {"X-A": None},
     {"X-A": "1\r\nHost: e"}, {"X-A": "1\n"}, {"X-A": "\0"}, {"X-A": "\xe4"}, {"X-A": "x" * 4097}, {"X" * 129: "1"},
     {f"X-{number}": "1" for number in range(33)}],
)  # fmt: skip
def test_what_is_no_headers_is_refused(headers):
    wanted = "an object of at most 32 header names and their values, in printable ASCII"
    assert refusal(headers=headers) == f"headers: must be {wanted}"


def test_a_header_that_is_there_twice_is_refused():
    twice = refusal(headers={"X-A": "1", "x-a": "2"})
    assert twice == "headers: must be without a name that is repeated in another case"


def test_cookies_are_read_with_and_without_their_domain():
    bare, whole = {"name": "a", "value": ""}, {"name": "b", "value": "1=2, x", "domain": "Example.COM", "path": "/p"}
    null = {"name": "c", "value": "3", "domain": None, "path": ""}
    assert parse({"url": URL, "cookies": [bare, whole, null]}).cookies == (
        Cookie("a", ""), Cookie("b", "1=2, x", "Example.COM", "/p"), Cookie("c", "3"),
    )  # fmt: skip
    assert parse({"url": URL, "cookies": []}) == parse({"url": URL})


@pytest.mark.parametrize(
    "cookies",
    ["a=b", {"name": "a", "value": "b"}, ["a=b"], [{"name": "a"}], [{"value": "a"}], [{"name": "", "value": "a"}],
     [{"name": "a b", "value": ""}], [{"name": "a", "value": "1;2"}], [{"name": "a", "value": "1\n"}],
     [{"name": "a", "value": "\xe4"}], [{"name": "a", "value": 1}], [{"name": "a", "value": "x" * 4096}],
     [{"name": "a", "value": "1", "path": "p"}], [{"name": "a", "value": "1", "path": "/a b"}],
     [{"name": "a", "value": "1", "path": "/" + "p" * 1024}], [{"name": "a", "value": "1", "domain": "a\n"}],
     [{"name": "a", "value": "1", "secure": True}],
     [{"name": "a", "value": "1"}] * 65],
)  # fmt: skip
def test_what_is_no_cookies_is_refused(cookies):
    wanted = "a list of at most 64 objects with name and value, and perhaps domain and path, in printable ASCII"
    assert refusal(cookies=cookies) == f"cookies: must be {wanted}"


@pytest.mark.parametrize(
    ("url", "domain"),
    [
        ("https://www.example.com/", "www.example.com"),
        ("https://www.example.com/", ".example.com"),
        ("https://www.example.com/", "EXAMPLE.com."),
        ("http://127.0.0.1:8000/", "127.0.0.1"),
        ("http://[::1]/", "[::1]"),
    ],
)
def test_the_domain_of_a_cookie_is_the_pages(url, domain):
    assert parse({"url": url, "cookies": [{"name": "a", "value": "b", "domain": domain}]}).cookies[0].domain == domain


@pytest.mark.parametrize(
    ("url", "domain"),
    [
        ("https://example.com/", "www.example.com"),
        ("https://example.com/", "example.org"),
        ("https://example.com/", "ample.com"),
        ("https://example.com/", "com"),
        ("https://example.com/", ".com."),
        ("http://127.0.0.1/", "0.0.1"),
        ("http://127.0.0.1/", "localhost"),
    ],
)
def test_a_cookie_of_another_domain_is_refused(url, domain):
    refused = refusal(url=url, cookies=[{"name": "a", "value": "s3cret", "domain": domain}])
    assert refused.startswith("cookies: must be of the page's own domain: ")
    assert "s3cret" not in refused


@pytest.mark.parametrize(
    ("url", "cookie"),
    [
        ("http://example.com/", {"name": "__Secure-a", "value": "b"}),
        ("http://example.com/", {"name": "__host-a", "value": "b"}),
        ("https://example.com/", {"name": "__Host-a", "value": "b", "path": "/p"}),
    ],
)
def test_a_cookie_whose_name_promises_too_much_is_refused(url, cookie):
    assert refusal(url=url, cookies=[cookie]).startswith("cookies: must be of an https URL for names with __Secure-")
    good = cookie | {"path": "/"}
    assert parse({"url": "https://example.com/", "cookies": [good]}).cookies[0].name == cookie["name"]


def test_options_that_may_be_secrets_are_not_printed():
    secrets = {
        "headers": {"X-A": "s3cret"},
        "cookies": [{"name": "a", "value": "s3cret"}],
        "js": "s3cret",
        "css": "s3cret",
    }
    assert "s3cret" not in repr(parse({"url": URL, **secrets}))


def test_a_dark_colour_scheme_is_dark_mode():
    assert parse({"url": URL, "color_scheme": "dark"}) == parse({"url": URL, "dark_mode": True})
    assert parse({"url": URL, "color_scheme": "light"}) == parse({"url": URL})
    assert parse({"url": URL, "color_scheme": "dark", "dark_mode": True}).dark_mode is True


@pytest.mark.parametrize(("scheme", "dark"), [("dark", False), ("light", True)])
def test_colour_schemes_that_contradict_each_other_are_refused(scheme, dark):
    said = refusal(color_scheme=scheme, dark_mode=dark)
    assert said == f"color_scheme: contradicts dark_mode={str(dark).lower()}; send only one of them"


def test_a_device_decides_what_is_not_given():
    phone = parse({"url": URL, "device": "iPhone 14"})
    assert (phone.device, phone.width, phone.height, phone.scale) == ("iphone-14", 390, 844, 3)
    own = parse({"url": URL, "device": "iphone-14", "width": 400, "retina": True})
    assert (own.width, own.height, own.scale) == (400, 844, 2)
    lying = parse({"url": URL, "device": "iphone-14", "viewport_landscape": True})
    assert (lying.width, lying.height) == (844, 390)
    assert parse({"url": URL, "device": "macbook-pro-13", "viewport_landscape": True}).width == 1440
    assert parse({"url": URL, "viewport_landscape": True}) == parse({"url": URL})


def test_a_picture_of_too_many_pixels_is_refused():
    assert refusal(width=3840, height=2160, scale=3).startswith("scale: ")


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("HTTP://EXAMPLE.com", Target("http://example.com/", "example.com", 80)),
        ("http://exämple.com:8080/é", Target("http://xn--exmple-cua.com:8080/%C3%A9", "xn--exmple-cua.com", 8080)),
        ("https://example.com./a@b", Target("https://example.com./a@b", "example.com", 443)),
        ("http://0x7f.1/", Target("http://127.0.0.1/", "127.0.0.1", 80)),
        ("http://[::1]:81/", Target("http://[::1]:81/", "[::1]", 81)),
    ],
)
def test_a_url_is_read_as_the_browser_reads_it(url, target):
    assert parse({"url": url}).target == target


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com",
        "//example.com/",
        "http:example.com",
        "http:///example.com",
        "file:///etc/passwd",
        "data:text/html,x",
        "javascript:alert(1)",
        "ftp://example.com/",
        "http://user@example.com/",
        "http://@example.com/",
        "http://u:p@example.com/",
        "http://example.com\\@evil.example/",
        "http://example.com:99999/",
        "http://exa mple.com/",
        "http://example.com/\n",
        " http://example.com/",
        "http://example.com/\u202egnp.exe",
        "http://example.com/" + "a" * 2048,
        "http://[::1",
        "http://\ud800/",
        ["http://example.com/"],
        7,
    ],
)
def test_a_url_other_than_a_plain_web_url_is_refused(url):
    assert refusal(url=url).startswith("url: must be an absolute http or https URL")
