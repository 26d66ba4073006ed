"""`/t/<options>/<page>`: the same pictures as of `/thumb`, by an address that needs no percent-encoding."""

import base64
import io
import json
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from PIL import Image
from werkzeug.test import EnvironBuilder, run_wsgi_app

from access import sign

PAGE = "https://example.com/"
KEY = "a-signing-key-of-tests-0001"
BROWSER_IMG = {"Accept": "image/avif,image/webp,*/*;q=0.8"}


def named(url):
    return base64.urlsafe_b64encode(url.encode()).decode().rstrip("=")


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    data: bytes

    @property
    def detail(self):
        return json.loads(self.data)["detail"]


def ask(client, address, method="GET", headers=None):
    """Send a request line exactly as it is written."""
    path, _, query = address.partition("?")
    environ = EnvironBuilder("/", method=method, headers=headers).get_environ()
    routed = unquote_to_bytes(path.encode("latin-1")).decode("latin-1")
    body, status, sent = run_wsgi_app(
        client.application, environ | {"PATH_INFO": routed, "QUERY_STRING": query, "RAW_URI": address}
    )
    return Answer(int(status[:3]), dict(sent), b"".join(body))


def captured(api):
    return [call.params["url"] for call in api.calls]


PAGES = [
("https://example.com/", PAGE),
("https://example.com/a?b=c&d=e", "https://example.com/a?b=c&d=e"),
("http://example.com/a", "http://example.com/a"),
("https://example.com/a%20b/%2Fc?u=https%3A%2F%2Fexample.org%2F", "https://example.com/a%20b/%2Fc?u=https%3A%2F%2Fexample.org%2F"),
("https://example.com/a//b///c?d=//e", "https://example.com/a//b///c?d=//e"),
("https://example.com/a,b=c,w=5/d", "https://example.com/a,b=c,w=5/d"),
("https://example.com/?w=5&format=gif&sig=x", "https://example.com/?w=5&format=gif&sig=x"),
("https://example.com/caf%E9?q=%FC", "https://example.com/caf%E9?q=%FC"),
("https://example.com/caf\xc3\xa9", "https://example.com/caf%C3%A9"),
("https://example.com/a+b?c=d+e", "https://example.com/a+b?c=d+e"),
("https:/example.com/a", "https://example.com/a"),  # a proxy has merged the slashes
("HTTPS://Example.COM:443", PAGE),
("https%3A%2F%2Fexample.com%2Fa%3Fb%3Dc%26d%3De", "https://example.com/a?b=c&d=e"),
("https%253A%252F%252Fexample.com%252F50%252525%253Fb%253Dc%2526d%253De", "https://example.com/50%25?b=c&d=e"),
("https://thumbs.example/t/w=5/https://example.org/", "https://thumbs.example/t/w=5/https://example.org/"),
("https://example.com/photo.webp", "https://example.com/photo.webp"),
]  # fmt: skip


def test_all_that_follows_the_options_is_the_page(client, api):
    for page, opened in PAGES:
        answer = ask(client, f"/t/w=200/{page}")

        assert (answer.status, opened in captured(api)) == (200, True)
        assert ask(client, f"/t/w=200/{page}").headers["X-Cache"] == "HIT"
    assert len(api.calls) == len({opened for _, opened in PAGES})


def test_without_options_it_is_the_picture_of_thumb_without_options(client, api):
    plain, padded = client.get("/thumb", query_string={"url": PAGE}), base64.urlsafe_b64encode(PAGE.encode()).decode()
    for address in (
        f"/t/-/{PAGE}", f"/t/{PAGE}", f"/t//{PAGE}", f"/t/-/{named(PAGE)}.png", f"/t/-/{named(PAGE)}", f"/t/-/{padded}",
        "/t/https%3A%2F%2Fexample.com%2F", "/t/https:/example.com",
    ):  # fmt: skip
        answer = ask(client, address)
        assert (answer.status, answer.headers["X-Cache"], answer.data) == (200, "HIT", plain.data)
    assert len(api.calls) == 1


def test_both_forms_share_their_pictures(client, api):
    query = {"url": "https://example.com/a?b=c", "w": 320, "h": 180, "format": "webp", "dark_mode": "1"}
    first = client.get("/thumb", query_string=query)
    raw = ask(client, "/t/w=320,h=180,format=webp,dark_mode/https://example.com/a?b=c")
    file = ask(client, f"/t/h=180,dark_mode=true,w=320/{named('https://example.com/a?b=c')}.webp")

    assert [each.headers["X-Cache"] for each in (first, raw, file)] == ["MISS", "HIT", "HIT"]
    assert raw.data == file.data == first.data
    assert raw.headers["Content-Type"] == file.headers["Content-Type"] == "image/webp"
    assert raw.headers["ETag"] == first.headers["ETag"]


def test_the_file_ending_is_the_format(client):
    for ending, format_ in (("png", "PNG"), ("webp", "WEBP"), ("jpg", "JPEG"), ("jpeg", "JPEG"), ("WebP", "WEBP")):
        answer = ask(client, f"/t/w=64/{named(PAGE)}.{ending}")
        assert Image.open(io.BytesIO(answer.data)).format == format_


def test_a_path_may_have_blanks_after_commas_and_a_slash_at_its_end(client, api):
    plain = ask(client, f"/t/w=64,h=48/{named(PAGE)}.webp")
    for address in (f"/t/w=64,%20h=48/{named(PAGE)}.webp", f"/t/w=64,h=48/{named(PAGE)}.webp/?v=2"):
        answer = ask(client, address)
        assert (answer.status, answer.headers["X-Cache"], answer.data) == (200, "HIT", plain.data)
    assert captured(api) == [PAGE]


def test_without_an_ending_the_format_is_an_option_as_in_thumb(client):
    answer = ask(client, f"/t/w=64,format=auto/{named(PAGE)}", headers=BROWSER_IMG)

    assert (answer.headers["Content-Type"], answer.headers["Vary"]) == ("image/avif", "Accept")
    assert ask(client, f"/t/w=64,format=jpeg/{named(PAGE)}.jpg").headers["Content-Type"] == "image/jpeg"


def test_a_page_in_base64_may_be_one_that_no_path_can_carry(client, api):
    for page in ("https://example.com/#/route", "https://example.com/a%2Fb//c", "https://bücher.example/ü"):
        assert ask(client, f"/t/w=64/{named(page)}.png").status == 200
    assert captured(api) == [
        "https://example.com/#/route", "https://example.com/a%2Fb//c", "https://xn--bcher-kva.example/%C3%BC",
    ]  # fmt: skip


def test_what_programs_append_to_a_file_name_is_ignored(client, api):
    for appended in ("v=3", "_=1", "utm_source=mail&utm_medium=x", "fbclid=1"):
        assert ask(client, f"/t/w=64/{named(PAGE)}.png?{appended}").status == 200
        assert ask(client, f"/t/w=64/https%3A%2F%2Fexample.com%2F?{appended}").status == 200
        assert ask(client, f"/t/w=64,{appended.replace('&', ',')}/{PAGE}").status == 200
    assert captured(api) == [PAGE]


def test_commas_and_slashes_of_a_value_are_percent_encoded(client, api):
    answer = ask(client, f"/t/w=200,hide=.a%2C%20.b%3Anot([href=%22%2Fx%22])/{PAGE}")

    assert answer.status == 200
    assert api.calls[0].params["hide_selectors"] == '.a, .b:not([href="/x"])'
    assert (
        client.get("/thumb", query_string={"url": PAGE, "w": 200, "hide": '.a, .b:not([href="/x"])'}).headers["X-Cache"]
        == "HIT"
    )


WRONG = [
("/t/", "url: is missing; write it after the options"),
("/t/-", "url: is missing"),
("/t/-/", "url: is missing"),
("/t/w=200", "url: is missing"),
("/t/w=200/", "url: is missing"),
("/t/w=200,/https://example.com/", "options: are parted by single commas"),
("/t/w=200,,h=5/https://example.com/", "options: are parted by single commas"),
("/t/=5/https://example.com/", "options: are parted by single commas"),
("/t/w=x/https://example.com/", "w: must be a whole number"),
("/t/w=200,w=300/https://example.com/", "w: is set 2 times"),
("/t/widht=200/https://example.com/", "widht: is not an option; did you mean width?"),
("/t/hide=.a,.b/https://example.com/", ".b: is not an option"),
("/t/caf%E9=1/https://example.com/", "caf"),
("/t/selector=%E9/https://example.com/", "selector: is not UTF-8"),
("/t/url=x/https://example.com/", "url: is no option here"),
("/t/cookies=%5B%5D/https://example.com/", "cookies: must not be in a URL"),
("/t/js=1/https://example.com/", "js: must not be in a URL"),
("/t/-/ftp://example.com/", "url: must"),
("/t/-/https://", "url: must be an absolute"),
("/t/-/https://user:pw@example.com/", "url: must not contain a user name"),
("/t/-/https://exa mple.com/", "url: contains a space"),
("/t/-/https://127.0.0.1/", "url: the target is not a public web address"),
("/t/-/https://localhost/", "url: the target is not a public web address"),
(f"/t/-/{named('https://[::1]/')}.png", "url: the target is not a public web address"),
("/t/-/AAAAA.webp", "url: is no base64url"),
("/t/-/AAAA.webp", "url: is no base64url"),  # three zeros
(f"/t/-/{named('<svg onload=alert(1)>')}.webp", "url: contains a space"),
(f"/t/-/{named('ftp://example.com/')}.webp", "url: must"),
(f"/t/-/{named(PAGE)}.gif", "format: must be png, webp"),
(f"/t/format=png/{named(PAGE)}.webp", "format: differs from the file ending"),
(f"/t/w=1,format=auto/{named(PAGE)}.webp", "format: differs from the file ending"),
(f"/t/-/{named(PAGE)}.png?w=200", "w: must stand before the page"),
(f"/t/w=200,v=/{PAGE}", "v: is for the browser's cache alone"),
]  # fmt: skip


def test_a_wrong_path_says_what_is_wrong_at_its_field(client, api):
    for address, said in WRONG:
        answer = ask(client, address)

        assert (answer.status, answer.headers["Content-Type"]) == (400, "application/problem+json")
        assert answer.detail[: len(said)] == said
    assert api.calls == []


def test_a_very_long_path_is_refused(client, api):
    for page in ("https://example.com/" + "a" * 8000, named("https://example.com/" + "a" * 6000) + ".png"):
        assert ask(client, f"/t/-/{page}").detail == "url: must be at most 2048 bytes of UTF-8"
    assert ask(client, f"/t/{','.join(['w=1'] * 2000)}/{PAGE}").status == 400
    assert ask(client, f"/t/hide={'a' * 8000}/{PAGE}").detail.startswith("hide: must be a CSS selector")
    assert api.calls == []


def test_an_image_gets_a_placeholder_of_the_size_in_the_path(client):
    answer = ask(client, "/t/w=123,h=45,fit=x/https://example.com/", headers=BROWSER_IMG)

    assert (answer.status, answer.headers["X-Error-Code"]) == (400, "invalid_option")
    assert Image.open(io.BytesIO(answer.data)).size == (123, 45)


def test_the_methods_and_headers_are_those_of_thumb(make_client):
    client = make_client(cors_origins="https://shop.example")
    address = f"/t/w=64/{PAGE}"
    got = ask(client, address, headers={"Origin": "https://shop.example"})
    head = ask(client, address, "HEAD")

    assert (head.status, head.data, head.headers["ETag"]) == (200, b"", got.headers["ETag"])
    assert ask(client, address, headers={"If-None-Match": got.headers["ETag"]}).status == 304
    assert got.headers["Access-Control-Allow-Origin"] == "https://shop.example"
    post = ask(client, address, "POST")
    assert (post.status, "GET" in post.headers["Allow"]) == (405, True)
    preflight = ask(
        client, address, "OPTIONS", {"Origin": "https://shop.example", "Access-Control-Request-Method": "GET"}
    )
    assert preflight.headers["Access-Control-Allow-Origin"] == "https://shop.example"
    assert ask(client, address, headers={"If-Match": '"another"'}).status == 412


def test_a_signature_covers_the_options_and_the_page(make_client, api):
    client = make_client(signing_keys=KEY)
    page = "https://example.com/a?b=c&d=e"
    signature = sign(KEY, [("url", page), ("width", "800")])

    for address in (
        f"/t/sig={signature},width=800/{page}",
        f"/t/w=320,width=800,sig={signature}/{page}",  # the size is not signed
        f"/t/w=320,h=180,v=2,width=800,sig={signature}/{page}",
        f"/t/width=800,sig={signature}/{named(page)}.webp",
        f"/t/width=800,sig={signature}/https:/example.com/a?b=c&d=e",
        f"/thumb?url=https%3A%2F%2Fexample.com%2Fa%3Fb%3Dc%26d%3De&width=800&sig={signature}",
    ):
        assert ask(client, address).status == 200
    for address in (
        f"/t/width=800/{page}",
        f"/t/width=801,sig={signature}/{page}",
        f"/t/width=800,full_page=1,sig={signature}/{page}",
        f"/t/width=800,sig={signature}/{page}f",
        f"/t/width=800,sig={signature}/https://example.com/a%3Fb=c&d=e",
        f"/t/width=800,sig={signature}/{named('https://example.org/')}.webp",
        f"/t/width=800,sig={signature}/{named(page)}.pdf",
        f"/t/width=800,sig={signature[:-1]}/{page}",
        f"/t/width=800,sig=%F0%9F%98%80/{page}",
    ):
        assert ask(client, address).status == 403
    assert ask(client, f"/t/width=800,w=321,sig={signature}/{page}").detail.startswith("w, h: must be one of")
    assert len(api.calls) == 1


def test_a_signature_in_the_path_expires(make_client):
    client = make_client(signing_keys=KEY)
    for expires, status in (("4102444800", 200), ("1000000000", 403)):
        signature = sign(KEY, [("url", PAGE), ("expires", expires)])
        assert ask(client, f"/t/sig={signature},expires={expires}/{PAGE}").status == status


def test_allowed_targets_hold_for_paths_too(make_client, api):
    client = make_client(allowed_targets="*.example.org")

    assert ask(client, f"/t/w=64/{PAGE}").status == 403
    assert ask(client, f"/t/w=64/{named(PAGE)}.png").status == 403
    assert ask(client, "/t/w=64/https://www.example.org/").status == 200


def test_fresh_needs_a_key_where_there_are_keys(make_client):
    client = make_client(api_keys="one:a-key-of-the-tests-0001")

    assert ask(client, f"/t/w=64,fresh=1/{PAGE}").status == 401
    keyed = ask(client, f"/t/w=64,fresh=1/{PAGE}", headers={"X-API-Key": "a-key-of-the-tests-0001"})
    assert keyed.status == 200


def test_a_server_that_does_not_tell_the_raw_path_serves_plain_addresses(client, api):
    environ = EnvironBuilder("/").get_environ()
    environ |= {"PATH_INFO": "/t/w=200/https://example.com/a b", "QUERY_STRING": "c=d"}
    for name in ("RAW_URI", "REQUEST_URI"):
        environ.pop(name)
    _, status, _ = run_wsgi_app(client.application, environ)

    assert (status[:3], captured(api)) == ("200", ["https://example.com/a%20b?c=d"])


def test_the_path_is_never_another_one_than_the_routed_path(client, api):
    environ = EnvironBuilder("/").get_environ()
    environ |= {"PATH_INFO": f"/t/w=200/{PAGE}", "QUERY_STRING": "", "RAW_URI": "/t/w=200/https://example.org/"}
    run_wsgi_app(client.application, environ)

    assert captured(api) == [PAGE]
