"""What templates, browsers and mail programs make of the URL of a picture."""

import pytest

from access import sign

PAGE = "https://example.com/"
ENCODED = "https%3A%2F%2Fexample.com%2F"
KEY = "a-signing-key-of-tests-0001"


def captured(api):
    return [call.params["url"] for call in api.calls]


@pytest.mark.parametrize(
    "appended",
    [
        "v=20261128",
        "_=1700000000123",
        "v=3&_=4",
        "v=" + 64 * "x",
        "v=%20a%2Fb%20",
        "utm_source=mail&utm_medium=email&utm_campaign=%C3%BC",
        "fbclid=IwAR0_x-y",
        "gclid=1&gbraid=2",
        "mc_cid=1&mc_eid=2",
        "_hsenc=1&_hsmi=2&_ga=3",
    ],
)
def test_what_other_programs_append_makes_no_other_picture(client, api, appended):
    plain = client.get(f"/thumb?url={ENCODED}&w=200")
    marked = client.get(f"/thumb?{appended}&url={ENCODED}&w=200")
    last = client.get(f"/thumb?url={ENCODED}&w=200&{appended}")

    assert [each.status_code for each in (plain, marked, last)] == [200, 200, 200]
    assert [each.headers["X-Cache"] for each in (plain, marked, last)] == ["MISS", "HIT", "HIT"]
    assert marked.data == last.data == plain.data


@pytest.mark.parametrize("buster", ["v=", "_=", "v=" + 65 * "x", "v=" + 64 * "%C3%BC" + "x"])
def test_a_cache_buster_that_is_empty_or_long_is_refused_by_name(client, api, buster):
    refused = client.get(f"/thumb?url={ENCODED}&{buster}")

    assert (refused.status_code, refused.json["code"]) == (400, "invalid_option")
    assert refused.json["detail"].startswith(f"{buster[0]}: is for the browser's cache alone; set it to 1 to 64 char")
    assert api.calls == []


def test_a_cache_buster_that_is_set_twice_is_refused(client):
    assert client.get(f"/thumb?url={ENCODED}&v=1&v=2").json["detail"] == "v: is set 2 times; send it once"


def test_a_programs_json_has_no_cache_buster(client):
    refused = client.post("/thumb", json={"url": PAGE, "v": "1"})
    assert (refused.status_code, refused.json["detail"].partition(":")[0]) == (400, "v")


def test_a_signature_does_not_cover_what_is_appended_later(make_client):
    client = make_client(signing_keys=KEY)
    signature = sign(KEY, [("url", PAGE), ("w", "320")])

    signed = f"/thumb?url={ENCODED}&w=320&sig={signature}"
    assert client.get(f"{signed}&v=7&utm_source=mail").status_code == 200
    assert client.get(f"{signed}&width=400").status_code == 403


@pytest.mark.parametrize("spelt", ["pdf", "%20pdf", "pdf%0A", "%09pdf%20"])
def test_an_unsigned_pdf_is_refused_in_every_spelling(make_client, spelt):
    client = make_client(signing_keys=KEY)
    signature = sign(KEY, [("url", PAGE)])

    assert client.get(f"/thumb?url={ENCODED}&sig={signature}").status_code == 200
    assert client.get(f"/thumb?url={ENCODED}&sig={signature}&format={spelt}").status_code == 403


@pytest.mark.parametrize("method", ["get", "post"])
def test_jpg_is_jpeg(client, method):
    options = {"url": PAGE, "w": 200}
    jpg, jpeg = (
        client.get("/thumb", query_string=options | {"format": each})
        if method == "get"
        else client.post("/thumb", json=options | {"format": each})
        for each in ("jpg", "jpeg")
    )

    assert (jpg.content_type, jpg.data) == ("image/jpeg", jpeg.data)
    assert jpeg.headers["X-Cache"] == "HIT"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("w=200.5", "w=201"),
        ("w=200.49", "w=200"),
        ("w=15.6", "w=16"),
        ("w=320.0000000001", "w=320"),
        ("h=99.5", "h=100"),
    ],
)
def test_fractions_of_whole_numbers_are_rounded(client, written, meant):
    whole = client.get(f"/thumb?url={ENCODED}&{meant}")
    fraction = client.get(f"/thumb?url={ENCODED}&{written}")

    assert (fraction.status_code, fraction.headers["X-Cache"]) == (200, "HIT")
    assert fraction.data == whole.data


NO_PLAIN_NUMBERS = ("nan", "inf", "-inf", "1e3", "1e9", "0x1F4", "500.", ".5", "-500.5", "500.5.5", "9999999999.5", "500,5", "½", "٣٢٠")  # fmt: skip


@pytest.mark.parametrize("name", ["w", "width", "quality", "ttl", "delay"])
def test_what_is_no_plain_number_is_refused_by_name(client, api, name):
    for value in NO_PLAIN_NUMBERS:
        refused = client.get("/thumb", query_string={"url": PAGE, name: value})

        assert (refused.status_code, refused.json["code"]) == (400, "invalid_option")
        assert refused.json["detail"].startswith(f"{name}: must be a whole number")
    assert api.calls == []


@pytest.mark.parametrize("value", ["nan", "inf", "1e999"])
def test_a_scale_is_a_finite_number(client, value):
    refused = client.get("/thumb", query_string={"url": PAGE, "scale": value})
    assert (refused.status_code, refused.json["detail"].partition(":")[0]) == (400, "scale")


def test_fractions_are_on_the_ladder_of_sizes(make_client):
    client = make_client(allowed_sizes="320x180")

    assert client.get(f"/thumb?url={ENCODED}&w=319.7&h=180.2").status_code == 200
    assert client.get(f"/thumb?url={ENCODED}&w=319.2&h=180").status_code == 400


def test_blanks_around_any_value_are_ignored(client):
    plain = client.get(f"/thumb?url={ENCODED}&w=200&format=webp&full_page=1&hide=.ad")
    padded = client.get(f"/thumb?url=+{ENCODED}%0A&w=%20200+&format=+webp&full_page=%091&hide=+.ad%20")

    assert (padded.status_code, padded.headers["X-Cache"]) == (200, "HIT")
    assert padded.data == plain.data


@pytest.mark.parametrize(("wrong", "right"), [("width=200", "w"), ("height=120", "h"), ("width=319.4", "w")])
def test_a_viewport_of_the_size_of_a_thumbnail_gets_the_option_that_is_meant(client, wrong, right):
    detail = client.get(f"/thumb?url={ENCODED}&{wrong}").json["detail"]
    assert detail.endswith(f"; {right} is the size of the picture")


def test_a_viewport_that_is_too_large_gets_no_such_advice(client):
    assert "size of the picture" not in client.get(f"/thumb?url={ENCODED}&width=5000").json["detail"]


def test_a_parameter_after_an_unencoded_url_is_thought_to_be_the_pages(client):
    for name in ("d", "page", "id", "heigh", "v2", "t", "scal"):
        detail = client.get(f"/thumb?url=https://example.com/a?b=c&{name}=e&w=200").json["detail"]

        assert detail.startswith(f"{name}: is not an option; if it belongs to the page's URL, percent-encode that URL")


@pytest.mark.parametrize(("name", "nearest"), [("W", "w"), ("Format", "format"), ("fullPage", "full_page")])
def test_a_name_in_another_case_is_recognised(client, name, nearest):
    refused = client.get(f"/thumb?url={ENCODED}&{name}=1")
    assert refused.json["detail"] == f"{name}: is not an option; did you mean {nearest}?"


@pytest.mark.parametrize(
    ("twice", "opened"),
    [
        ("https%253A%252F%252Fexample.com%252F", PAGE),
        ("HTTP%253A%252F%252Fexample.com%252Fa%253Fb%253Dc%2526d%253De", "http://example.com/a?b=c&d=e"),
        ("https%253A%252F%252Fexample.com%252Fcaf%2525E9%253Fx", "https://example.com/caf%E9?x"),
        ("%20https%253a%252f%252fexample.com%252f%252525", "https://example.com/%25"),
    ],
)
def test_a_url_that_was_encoded_twice_is_the_page_that_is_meant(client, api, twice, opened):
    for path in ("/thumb", "/icon", "/meta"):
        assert client.get(f"{path}?url={twice}").status_code == 200
    assert captured(api) == [opened]


def test_a_url_that_was_encoded_twice_is_judged_as_it_will_be_opened(client, api):
    for inside in ("http%253A%252F%252F127.0.0.1%252F", "https%253A%252F%252Fu%253Ap%2540example.com%252F"):
        assert client.get(f"/thumb?url={inside}").status_code == 400
    assert api.calls == []


@pytest.mark.parametrize("prefix", ["http://", "https://", "https%3A%2F%2F"])
def test_a_template_with_a_scheme_of_its_own_is_told_so(client, api, prefix):
    for url in (ENCODED, "http://example.com"):
        detail = client.get(f"/thumb?url={prefix}{url}").json["detail"]
        assert detail == "url: begins with two schemes; write one of them, as in https://example.com/"
    assert api.calls == []
