"""API keys, signed URLs, allowed targets and sizes, CORS: over HTTP."""

import time
from urllib.parse import urlencode

import pytest

from access import sign
from tests.support.command_line import runner_for

PAGE = "https://example.com/"
OLD, NEW = "an-old-signing-key-0001", "the-new-signing-key-0002"


def signed(key=NEW, late=(), **options):
    """Sign `options`, then add the `late` options, which the signature does not cover."""
    pairs = [(name, str(value)) for name, value in ({"url": PAGE} | options).items()]
    return "/thumb?" + urlencode([*pairs, *late, ("sig", sign(key, pairs))])


@pytest.fixture
def signing(make_client):
    return make_client(signing_keys=f"{NEW},{OLD}")


@pytest.fixture
def keyed(make_client):
    return make_client(api_keys="cms:correct-horse,bulk:battery-staple:1/hour", thumb_limit="2 per hour")


def test_a_signed_url_gets_a_picture_and_an_unsigned_one_does_not(signing, api):
    assert signing.get(signed()).status_code == 200
    refused = signing.get("/thumb", query_string={"url": PAGE})

    assert (refused.status_code, refused.json["code"]) == (403, "bad_signature")
    assert len(api.calls) == 1


def test_an_old_signing_key_is_accepted_and_an_unknown_one_is_not(signing):
    assert signing.get(signed(OLD)).status_code == 200
    assert signing.get(signed("somebody-elses-key-0003")).json["code"] == "bad_signature"


def test_one_signature_serves_a_whole_srcset(signing):
    for late in (
        [("w", "320")],
        [("w", "640"), ("h", "360"), ("fit", "contain")],
        [("format", "webp"), ("quality", "50")],
    ):
        assert signing.get(signed(late=late)).status_code == 200


@pytest.mark.parametrize(
    "late",
    [
        [("width", "1920")],
        [("full_page", "1")],
        [("delay", "5000")],
        [("ttl", "60")],
        [("fresh", "1")],
        [("format", "pdf")],
    ],
)
def test_a_signature_covers_every_option_that_costs_a_capture(signing, late):
    assert signing.get(signed(late=late)).json["code"] == "bad_signature"


def test_the_signature_of_one_page_is_invalid_for_another(signing):
    stolen = signed().replace("example.com", "example.org")

    assert signing.get(stolen).json["code"] == "bad_signature"


def test_a_signature_covers_its_expiry(signing):
    soon, past = int(time.time()) + 600, int(time.time()) - 1

    assert signing.get(signed(expires=soon)).status_code == 200
    assert signing.get(signed(expires=past)).json["code"] == "expired_signature"
    assert signing.get(signed(expires="1.0")).json["code"] == "expired_signature"
    assert signing.get(signed(expires=past).replace(str(past), str(soon))).json["code"] == "bad_signature"


def test_no_cache_keeps_a_picture_longer_than_its_url_is_valid(signing):
    soon = int(time.time()) + 90
    answers = [
        signing.get(signed(expires=soon)) for _ in range(2)
    ]  # the first is captured, the second comes from the fast path

    assert [answer.headers["X-Cache"] for answer in answers] == ["MISS", "HIT"]
    for answer in answers:
        visibility, max_age = answer.headers["Cache-Control"].split(", ")
        assert visibility == "private"
        assert 0 < int(max_age.removeprefix("max-age=")) <= 90
    assert signing.get(signed()).headers["Cache-Control"].startswith("public, max-age=86")


def test_an_option_with_a_line_break_does_not_count_as_two(signing):
    from errors import BadSignature

    with pytest.raises(BadSignature):
        sign(NEW, [("url", PAGE), ("hide", "a\nscale=2")])
    assert signing.get(signed() + "&hide=a%0Ascale=2").status_code == 400


def test_a_size_that_is_not_on_the_ladder_is_refused(make_client):
    client = make_client(signing_keys=NEW, allowed_sizes="320,640,320x180,x90")

    for late in ([("w", "320")], [("w", "320"), ("h", "180")], [("h", "90")], []):
        assert client.get(signed(late=late)).status_code == 200
    refused = client.get(signed(late=[("w", "321")]))
    assert (refused.status_code, refused.json["code"]) == (400, "invalid_option")
    assert "320, 640, x90, 320x180" in refused.json["detail"]


def test_signed_urls_have_a_default_ladder(signing):
    """A signature covers no size, so without a ladder one URL would allow thousands of pictures."""
    for late in ([("w", "320")], [("w", "1280"), ("h", "720")], [("w", "1200"), ("h", "630")], []):
        assert signing.get(signed(late=late)).status_code == 200
    for late in ([("w", "321")], [("h", "180")], [("w", "320"), ("h", "181")]):
        refused = signing.get(signed(late=late))
        assert (refused.status_code, refused.json["code"]) == (400, "invalid_option")
        assert refused.json["detail"].startswith("w, h: must be one of 160, 240, 320, 480, 640, 800, 960, 1200,")


def test_any_size_is_allowed_by_any_or_without_signing_keys(make_client):
    off = {"url": PAGE, "w": 321, "h": 17}

    assert make_client(signing_keys=NEW, allowed_sizes="any").get(signed(**off)).status_code == 200
    assert make_client().get("/thumb", query_string=off).status_code == 200


def test_the_sign_command_refuses_a_size_that_is_not_on_the_ladder(signing):
    result = runner_for(signing.application.extensions["services"])("sign", PAGE, "-o", "w=321")

    assert result.exit_code == 1
    assert result.output.startswith("Error: w, h: must be one of 160, ")


def test_the_sign_command_prints_a_url_that_works(make_client):
    client = make_client(signing_keys=NEW, public_url="https://thumbs.example.com")
    result = runner_for(client.application.extensions["services"])(
        "sign", PAGE, "-o", "width=800", "-o", "w=160", "--expires-in", "60"
    )

    url = result.output.strip()
    assert url.startswith("https://thumbs.example.com/thumb?url=https%3A%2F%2Fexample.com%2F&width=800&w=160&expires=")
    assert client.get(url.removeprefix("https://thumbs.example.com")).status_code == 200


def test_the_sign_command_prints_a_path_that_works(signing):
    args = ["sign", "https://example.com/a?b=c&d=#/e", "-o", "hide=.a, .b/c", "-o", "format=webp", "--path"]
    path = runner_for(signing.application.extensions["services"])(*args).output.strip()

    assert (path[:27], path[-5:]) == ("/t/hide=.a%2C%20.b%2Fc,sig=", ".webp")
    assert signing.get(path).content_type == "image/webp"


@pytest.mark.parametrize("headers", [{"Authorization": "Bearer correct-horse"}, {"X-API-Key": "correct-horse"}])
def test_a_known_key_may_persist(keyed, headers):
    assert keyed.post("/persist", json={"url": PAGE}, headers=headers).status_code == 201


def test_persist_needs_a_valid_key(keyed, api):
    missing = keyed.post("/persist", json={"url": PAGE})
    wrong = keyed.post("/persist", json={"url": PAGE}, headers={"X-API-Key": "incorrect-horse"})

    assert (missing.status_code, missing.json["code"]) == (401, "key_required")
    assert missing.headers["WWW-Authenticate"] == "Bearer"
    assert (wrong.status_code, wrong.json["code"]) == (401, "bad_key")
    assert api.calls == []


def test_with_signing_keys_no_unsigned_request_is_captured(make_client, api):
    client = make_client(signing_keys=NEW)
    refused = client.post("/persist", json={"url": PAGE})

    assert (refused.status_code, refused.json["code"]) == (401, "key_required")
    assert api.calls == []
    assert client.get(signed(fresh=1)).status_code == 200


def test_the_ladder_applies_to_permanent_pictures(make_client):
    client = make_client(allowed_sizes="320")

    assert client.post("/persist", json={"url": PAGE, "w": 321}).json["code"] == "invalid_option"


def test_fresh_needs_a_key_if_keys_are_set(keyed):
    query = {"url": PAGE, "fresh": 1}

    assert keyed.get("/thumb", query_string={"url": PAGE}).status_code == 200
    assert keyed.get("/thumb", query_string=query).json["code"] == "key_required"
    assert keyed.get("/thumb", query_string=query, headers={"X-API-Key": "correct-horse"}).status_code == 200


def test_a_key_and_its_address_have_separate_budgets(keyed):
    def status(page, **headers):
        return keyed.get("/thumb", query_string={"url": f"https://example.com/{page}"}, headers=headers).status_code

    assert [status(1), status(2), status(3)] == [200, 200, 429]
    assert status(3, **{"X-API-Key": "correct-horse"}) == 200


def test_a_key_may_have_its_own_limit(keyed):
    headers = {"X-API-Key": "battery-staple"}
    statuses = [
        keyed.get("/thumb", query_string={"url": f"https://example.com/{page}"}, headers=headers).status_code
        for page in range(2)
    ]

    assert statuses == [200, 429]


def test_only_allowed_targets_are_captured(make_client, api):
    client = make_client(allowed_targets="example.com,*.example.org")
    statuses = {
        host: client.get("/thumb", query_string={"url": f"https://{host}/"}).status_code
        for host in (
            "example.com",
            "a.example.org",
            "b.a.example.org",
            "example.org",
            "badexample.com",
            "x.example.com",
        )
    }

    assert [host for host, status in statuses.items() if status == 200] == [
        "example.com",
        "a.example.org",
        "b.a.example.org",
    ]
    refused = client.get("/thumb", query_string={"url": "https://example.net/"})
    assert (refused.status_code, refused.json["code"]) == (403, "forbidden_host")
    assert client.post("/persist", json={"url": "https://example.net/"}).status_code == 403


def test_cors_is_off_until_an_origin_is_set(make_client):
    headers = {"Origin": "https://cms.example.com"}
    closed = make_client().post("/persist", json={"url": PAGE}, headers=headers)
    open_ = make_client(cors_origins="https://cms.example.com").post("/persist", json={"url": PAGE}, headers=headers)

    assert "Access-Control-Allow-Origin" not in closed.headers
    assert open_.headers["Access-Control-Allow-Origin"] == "https://cms.example.com"


def test_cors_allows_no_other_origin_and_covers_errors(make_client):
    client = make_client(cors_origins="https://cms.example.com")
    stranger = client.post("/persist", json={"url": PAGE}, headers={"Origin": "https://evil.example.com"})
    mistaken = client.post("/persist", json={}, headers={"Origin": "https://cms.example.com"})
    preflight = client.options(
        "/persist",
        headers={"Origin": "https://cms.example.com", "Access-Control-Request-Method": "POST",
                 "Access-Control-Request-Headers": "content-type, idempotency-key"},
    )  # fmt: skip

    assert "Access-Control-Allow-Origin" not in stranger.headers
    assert mistaken.headers["Access-Control-Allow-Origin"] == "https://cms.example.com"
    assert "POST" in preflight.headers["Access-Control-Allow-Methods"]
    assert preflight.headers["Access-Control-Allow-Headers"] == "content-type, idempotency-key"


def test_a_flood_from_an_address_does_not_count_against_a_key(make_client):
    client = make_client(api_keys="cms:correct-horse", request_limit="3 per hour")
    flood = [client.get("/ready").status_code for _ in range(4)]
    known = [client.get("/ready", headers={"X-API-Key": "correct-horse"}).status_code for _ in range(4)]
    wrong = client.get("/ready", headers={"X-API-Key": "not-one-of-ours"})

    assert (flood[-1], wrong.status_code) == (429, 429)
    assert (429 in known[:3], known[3]) == (False, 429)
