"""How callers spell a page's URL and their options."""

import pytest
from werkzeug.test import EnvironBuilder, run_wsgi_app

from access import sign

PAGE = "https://example.com/"
KEY = "a-signing-key-of-tests-0001"


def ask(client, query, path="/thumb"):
    """GET `path` with the bytes of `query` exactly as they are."""
    environ = EnvironBuilder(path).get_environ() | {"QUERY_STRING": query.decode("latin-1")}
    body, status, headers = run_wsgi_app(client.application, environ)
    return int(status[:3]), dict(headers), b"".join(body)


def captured(api):
    return [call.params["url"] for call in api.calls]


@pytest.mark.parametrize(
    ("written", "opened"),
    [
        (b"https%3A%2F%2Fexample.com%2Fcaf%E9", "https://example.com/caf%E9"),
        (b"https%3A%2F%2Fexample.com%2Fcaf%25E9", "https://example.com/caf%E9"),
        (b"https://example.com/caf%E9?q=%FC", "https://example.com/caf%E9?q=%FC"),
        (b"https%3A%2F%2Fexample.com%2F%93%FA%96%7B", "https://example.com/%93%FA%96%7B"),  # Shift_JIS
        (b"https%3A%2F%2Fexample.com%2Fcaf%C3%A9", "https://example.com/caf%C3%A9"),
        (b"https://example.com/caf\xc3\xa9", "https://example.com/caf%C3%A9"),  # as some programs send it
        (b"https://example.com/caf\xe9", "https://example.com/caf%E9"),
        (b"https://example.com/\xe6\x97\xa5%E9", "https://example.com/%E6%97%A5%E9"),
    ],
)
def test_every_byte_of_a_pages_path_is_opened_as_it_was_written(client, api, written, opened):
    assert ask(client, b"url=" + written)[0] == 200
    assert captured(api) == [opened]


def test_two_pages_that_differ_in_such_a_byte_share_no_picture(client, api):
    for byte in (b"%E8", b"%E9", b"\xe8", b"\xff", b"\xef\xbf\xbd"):
        assert ask(client, b"url=https%3A%2F%2Fexample.com%2F" + byte)[0] == 200

    assert captured(api) == [f"https://example.com/{byte}" for byte in ("%E8", "%E9", "%FF", "%EF%BF%BD")]


def test_snapsharps_clients_open_such_pages_too(client, api):
    for byte in (b"%E8", b"%E9", b"\xe8"):
        assert ask(client, b"url=https%3A%2F%2Fexample.com%2F" + byte, path="/v1/screenshot")[0] == 200

    assert captured(api) == [f"https://example.com/{byte}" for byte in ("%E8", "%E9")]


def test_a_signature_fits_one_page_only(make_client):
    client = make_client(signing_keys=KEY)
    signature = sign(KEY, [("url", "https://example.com/caf%E9")]).encode()
    statuses = [
        ask(client, b"url=https%3A%2F%2Fexample.com%2Fcaf" + byte + b"&sig=" + signature)[0]
        for byte in (b"%E9", b"%25E9", b"%E8", b"%EF%BF%BD", b"%C3%A9")
    ]

    assert statuses == [200, 200, 403, 403, 403]


@pytest.mark.parametrize("query", [b"url=https://caf%E9.example/", b"url=https://\xe9.example/"])
def test_such_a_byte_in_a_host_is_refused(client, query):
    status, _, body = ask(client, query)
    assert (status, b'"invalid_url"' in body) == (400, True)


@pytest.mark.parametrize("query", [b"url=https://example.com/&selector=caf%E9", b"url=https://example.com/&caf%E9=1"])
def test_such_a_byte_in_another_option_is_refused_by_name(client, api, query):
    status, _, body = ask(client, query)

    assert (status, b"UTF-8" in body, b"caf%E9" in body or b"selector" in body) == (400, True, True)
    assert api.calls == []


@pytest.mark.parametrize("blanks", ["%20{}", "{}%20", "+{}+", "%0A{}%0D%0A", "%09{}%20%20"])
def test_blanks_around_a_url_are_ignored(client, api, blanks):
    assert ask(client, f"url={blanks.format('https%3A%2F%2Fexample.com%2F')}".encode())[0] == 200
    assert captured(api) == [PAGE]


def test_blanks_around_a_url_in_a_body_are_ignored(client, api):
    assert client.post("/thumb", json={"url": f" {PAGE}\n"}).status_code == 200
    assert captured(api) == [PAGE]


@pytest.mark.parametrize("url", ["%20", "https://exa%20mple.com/", "https://example.com/a%20b"])
def test_a_blank_inside_a_url_and_one_alone_are_refused(client, url):
    assert ask(client, f"url={url}".encode())[0] == 400


@pytest.mark.parametrize(
    ("query", "name", "advice"),
    [
        ("amp;w=320", "amp;w", "write & instead of &amp;"),
        ("cachebuster=1", "cachebuster", "leave it out; ttl and fresh say how old a picture may be"),
        ("article=2", "article", "percent-encode that URL as a whole"),
        ("widht=320", "widht", "did you mean width?"),
    ],
)
def test_an_unknown_parameter_gets_the_advice_that_helps(client, query, name, advice):
    refused = client.get(f"/thumb?url=https%3A%2F%2Fexample.com%2F&{query}")

    assert (refused.status_code, refused.json["code"]) == (400, "invalid_option")
    assert refused.json["detail"].startswith(f"{name}: is not an option")
    assert advice in refused.json["detail"]


def test_an_unknown_name_in_a_body_gets_no_advice_about_queries(client):
    refused = client.post("/persist", json={"url": PAGE, "article": 2})

    assert refused.json["detail"].startswith("article: is not an option")
    assert "percent-encode" not in refused.json["detail"]


@pytest.mark.parametrize("option", ["expires=99999999_99", "w=3_20", "scale=1_0", "quality=8_0", "ttl=86_400"])
def test_a_number_with_an_underscore_is_refused(client, api, option):
    refused = client.get(f"/thumb?url=https%3A%2F%2Fexample.com%2F&{option}")

    assert (refused.status_code, refused.json["detail"].partition(":")[0]) == (400, option.partition("=")[0])
    assert api.calls == []
