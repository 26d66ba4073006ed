"""Any request gets a response soon, and never a 5xx, while the screenshot API works."""

import json
import string
import time
from urllib.parse import quote, urlencode

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from options import PRIVATE, THUMBNAIL_OPTIONS, contract

pytestmark = pytest.mark.slow

FUZZ = settings(suppress_health_check=list(HealthCheck))
NAMES = st.one_of(st.sampled_from([*THUMBNAIL_OPTIONS, "widht", "URL"]), st.text(max_size=8))
VALUES = st.one_of(
    st.sampled_from(["https://example.com/", "http://10.0.0.1/", "1", "0", "true", "320", "-1", "1e9", "NaN", "png", "pdf", "auto", ""]),
    st.integers().map(str),
    st.text(max_size=30),
)  # fmt: skip
PAIRS = st.lists(st.tuples(NAMES, VALUES), max_size=6)
RAW = st.text(string.printable, max_size=80)
LEAVES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), VALUES)
JSON = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=8
)
URLS = st.sampled_from(
    ["https://example.com/", "http://10.0.0.1/", "http://example.com/", "https://example.com:22/", ""]
)
BODIES = st.dictionaries(NAMES, LEAVES, max_size=5).map(lambda body: {"url": "https://example.com/"} | body)
CONTRACTS = st.one_of(st.sampled_from(sorted(contract.NAMES)), st.text(max_size=8))
PARTS = st.dictionaries(
    st.sampled_from(["name", "value", "domain", "path", "X-A", "Host", "x", "width"]) | st.text(max_size=8),
    LEAVES,
    max_size=4,
)
PRIVATE_BODIES = st.dictionaries(
    st.sampled_from(sorted(PRIVATE | {"clip"})), PARTS | st.lists(PARTS | LEAVES, max_size=3), max_size=3
).map(lambda body: {"url": "https://example.com/"} | body)
OWN_OPTIONS = st.fixed_dictionaries(
    {}, optional={"urls": st.lists(URLS | LEAVES, max_size=3) | LEAVES, "webhook_url": URLS | LEAVES, "persist": LEAVES}
)


def with_own_options(body):
    """Add the options of `/screenshots`, and drop `url` in about half of the cases."""
    return OWN_OPTIONS.map(lambda own: {k: v for k, v in body.items() if k != "url" or len(own) % 2 == 0} | own)


# Values of headers as a server passes them on: any latin-1 without line breaks, and fragments that a parser knows.
FRAGMENTS = st.sampled_from(
    ["*", ",", ";", "=", " ", '"', "W/", '"abc"', "bytes=0-1", "bytes=-5", "bytes=9-1,0-0", "items=1-", "9" * 5000, "-1",
     "Sat, 01 Jan 2000 00:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 -2359", "Mon, 99 Foo 0000 25:61:61", "image/png",
     "image/*", "*/*", "q=1", "q=nan", "q=-inf", "q=1e999", "text/html", "192.0.2.1", "[2001:db8::1]:443", "::ffff:1.2.3.4",
     "fe80::1%\xe9", ":80", "unknown", "Bearer ", "Basic ", "Digest ", "Og==", "respond-async", "wait=1", "a" * 32, "%00", "\0"]
)  # fmt: skip
LATIN_1 = st.text(st.characters(max_codepoint=0xFF, exclude_characters="\r\n"), max_size=40)
MARK = "reflect\xe9d<"  # not part of any valid header value
HEADER_VALUES = st.one_of(
    LATIN_1, st.lists(st.one_of(FRAGMENTS, LATIN_1, st.just(MARK)), max_size=6).map("".join), st.just(MARK)
)
HEADER_NAMES = st.sampled_from(
    ["If-None-Match", "If-Modified-Since", "If-Match", "If-Unmodified-Since", "If-Range", "X-Forwarded-For",
     "X-Forwarded-Proto", "X-Request-ID", "Accept", "Authorization", "X-API-Key", "Range", "Prefer", "Idempotency-Key",
     "Content-Type", "Origin", "Host"]
)  # fmt: skip
HEADERS = st.dictionaries(HEADER_NAMES, HEADER_VALUES, min_size=1, max_size=4)
UNLIMITED = dict.fromkeys(("thumb_limit", "persist_limit", "request_limit", "job_limit"), "1000000 per hour")


SOON = 10  # seconds: a thousand times what a response takes, since the machine may be busy


@pytest.fixture(autouse=True)
def hurried(monkeypatch):
    """Every request of these tests is timed."""
    monkeypatch.setattr(FlaskClient, "open", timed(FlaskClient.open))


def timed(ask):
    def answered_soon(*args, **request):
        began = time.monotonic()
        response = ask(*args, **request)
        assert time.monotonic() - began < SOON, "it hung"
        return response

    return answered_soon


@pytest.fixture
def unlimited(make_client):
    return make_client(**UNLIMITED)


def post_json(client, path, body):
    return client.post(path, data=json.dumps(body), content_type="application/json")  # `json=None` would be no body


@pytest.fixture
def guarded(make_client):
    return make_client(
        signing_keys="a-signing-key-for-fuzz", api_keys="cms:fuzz-me-not-please", **UNLIMITED
    )  # fmt: skip


@FUZZ
@given(PAIRS, st.sampled_from(["*/*", "image/*", "image/avif", "text/html", "nonsense;;q=x"]))
def test_any_query_of_thumb_gets_a_response(unlimited, pairs, accept):
    query = urlencode([("url", "https://example.com/"), *pairs], errors="replace")
    assert unlimited.get(f"/thumb?{query}", headers={"Accept": accept}).status_code < 500


@FUZZ
@given(RAW, st.sampled_from(["/thumb", "/v1/screenshot"]))
def test_any_raw_query_gets_a_response(unlimited, raw, path):
    assert unlimited.get(f"{path}?{quote(raw, safe=string.printable.replace('#', ''))}").status_code < 500


@FUZZ
@given(st.lists(st.tuples(CONTRACTS, VALUES), max_size=6))
def test_any_query_of_the_contract_gets_a_response(unlimited, pairs):
    query = urlencode([("url", "https://example.com/"), *pairs], errors="replace")
    assert unlimited.get(f"/v1/screenshot?{query}").status_code < 500


@FUZZ
@given(st.one_of(JSON, BODIES, PRIVATE_BODIES), st.sampled_from(["/thumb", "/v1/screenshot"]))
def test_any_json_body_that_asks_for_a_picture_gets_a_response(unlimited, body, path):
    assert post_json(unlimited, path, body).status_code < 500


@FUZZ
@given(st.one_of(JSON, BODIES))
def test_any_json_body_of_persist_gets_a_response(unlimited, body):
    assert post_json(unlimited, "/persist", body).status_code < 500


@FUZZ
@given(st.one_of(JSON, BODIES, BODIES.flatmap(with_own_options)))
def test_any_json_body_of_screenshots_gets_a_response(unlimited, body):
    # No worker runs here, so the queue fills up and refuses more jobs.
    assert post_json(unlimited, "/screenshots", body).status_code in (202, 400, 403)


@FUZZ
@given(st.binary(max_size=200), st.sampled_from(["/persist", "/screenshots", "/thumb", "/v1/screenshot"]))
def test_any_bytes_sent_as_json_get_a_response(unlimited, data, path):
    assert unlimited.post(path, data=data, content_type="application/json").status_code < 500


@FUZZ
@given(st.one_of(st.text(max_size=60), st.text("0123456789abcdef", min_size=32, max_size=32)), st.booleans())
def test_any_job_id_gets_a_response(unlimited, id_, image):
    path = f"/jobs/{quote(id_, safe='', errors='replace')}" + "/image" * image
    assert unlimited.get(path).status_code in (308, 404)


@FUZZ
@given(PAIRS, st.text(string.ascii_letters + string.digits + "=-_+ %", max_size=80))
def test_any_signature_and_key_get_a_response(guarded, pairs, secret):
    query = urlencode([("url", "https://example.com/"), *pairs, ("sig", secret)], errors="replace")
    headers = {"Authorization": f"Bearer {secret}", "X-API-Key": secret}
    assert guarded.get(f"/thumb?{query}", headers=headers).status_code in (400, 401, 403)
    assert guarded.post("/persist", data=json.dumps({"url": secret}), headers=headers).status_code in (400, 401, 415)


@FUZZ
@given(st.text(max_size=60))
def test_any_path_below_media_gets_a_response(unlimited, path):
    assert unlimited.get("/media/" + quote(path, errors="replace")).status_code < 500


@pytest.fixture
def behind_a_proxy(make_client):
    """A client whose application uses every header, with a known and a permanent picture, a key and an origin."""
    client = make_client(
        trusted_proxies=1, memory_cache_bytes=1 << 20, api_keys="cms:fuzz-me-not-please",
        cors_origins="https://cms.example", **UNLIMITED,
    )  # fmt: skip
    assert client.get("/thumb?url=https://example.com/").status_code == 200
    return client


def environ(headers):
    """Return `headers` as a server passes them on."""
    names = {"Content-Type": "CONTENT_TYPE"}
    return {names.get(name, "HTTP_" + name.upper().replace("-", "_")): value for name, value in headers.items()}


def answered(client, path, headers, **request):
    response = client.open(path, environ_overrides=environ(headers), **request)
    assert response.status_code < 500
    assert MARK not in str(response.headers)
    assert MARK not in response.get_data().decode("latin-1")


KEY = {"X-API-Key": "fuzz-me-not-please"}
PATHS = st.sampled_from(
    ["/thumb?url=https://example.com/", "/thumb?url=https://example.com/&format=auto&w=320",
     "/thumb?url=https://example.com/&fresh=1", "/thumb?url=nonsense", "/v1/screenshot?url=https://example.com/",
     "/v1/usage", "/v1/nothing", "/health", "/ready", "/media/x.png", "/nothing",
     "/jobs/" + "0" * 32, "/jobs/x/image"]
)  # fmt: skip


@FUZZ
@given(HEADERS, PATHS, st.sampled_from(["GET", "GET", "HEAD", "OPTIONS"]), st.sampled_from([{}, KEY]))
def test_any_header_gets_a_response_and_is_not_reflected(behind_a_proxy, headers, path, method, key):
    answered(behind_a_proxy, path, key | headers, method=method)


@FUZZ
@given(
    HEADERS,
    st.sampled_from(["/persist", "/screenshots", "/thumb", "/v1/screenshot"]),
    st.sampled_from([b'{"url": "https://example.com/"}', b"{}", b""]),
)
def test_any_header_of_a_post_gets_a_response_and_is_not_reflected(behind_a_proxy, headers, path, body):
    sent = KEY | {"Content-Type": "application/json"} | headers
    answered(behind_a_proxy, path, sent, method="POST", data=body)


@pytest.fixture
def permanent(behind_a_proxy):
    return "/media/" + behind_a_proxy.post("/persist", json={"url": "https://example.com/"}, headers=KEY).json["key"]


@FUZZ
@given(HEADERS)
def test_any_header_to_a_permanent_picture_gets_a_response_and_is_not_reflected(behind_a_proxy, permanent, headers):
    answered(behind_a_proxy, permanent, headers)
