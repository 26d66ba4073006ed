"""The engine answers any request soon, and never with a 5xx.

The engine exempts no address, so the gate refuses every loopback URL before a browser is used.
"""

import json
import math
import string
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from engine.errors import InvalidParams, PlanRequired
from engine.parsing import parse, parse_json, parse_query
from options import MAX_PIXELS, contract
from tests.support.engine import running_engine

FUZZ = settings(suppress_health_check=list(HealthCheck))
SOON = 10  # seconds: a thousand times what a refusal takes, as the machine may be busy

INSIDE = "http://127.0.0.1:80/"
NAMES = st.one_of(st.sampled_from([*contract.NAMES, "widht", "URL"]), st.text(max_size=8))
URLS = st.sampled_from(
    [INSIDE, "http://[::1]/", "http://10.0.0.1:99999/", "http://:80/", "http://a@127.0.0.1/", "http://xn--a/", "",
     "http://127.0.0.1\udfff/", "http://" + "a." * 1100 + "com/", "http:127.0.0.1", "file:///etc/passwd", "HTTP://0x7f.1/"]
)  # fmt: skip
WORDS = st.sampled_from(["1", "0", "true", "320", "-1", "1e9", "NaN", "png", "pdf", "load", "", "9" * 5000, "\u0663"])
TEXTS = st.one_of(URLS, WORDS, st.text(max_size=30))
LEAVES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXTS)
VALUES = st.recursive(LEAVES, lambda v: st.lists(v, max_size=3) | st.dictionaries(NAMES, v, max_size=3), max_leaves=6)
OBJECTS = st.dictionaries(NAMES, VALUES, max_size=5)
PAIRS = st.lists(st.tuples(NAMES, TEXTS), max_size=6)


def judged(read, given_):
    """Read `given_`, or refuse it as the caller's mistake. Accepted values are within the limits."""
    try:
        wanted = read(given_)
    except (InvalidParams, PlanRequired):
        return
    assert wanted.target.url.startswith(("http://", "https://"))
    assert wanted.format == "pdf" or wanted.width * wanted.height * wanted.scale**2 <= MAX_PIXELS
    assert math.isfinite(wanted.scale)


@FUZZ
@given(OBJECTS, URLS)
def test_any_options_are_read_or_refused(options, url):
    judged(parse, {"url": url} | options)


@FUZZ
@given(PAIRS, URLS)
def test_any_query_is_read_or_refused(pairs, url):
    judged(parse_query, [("url", url), *pairs])


@FUZZ
@given(st.one_of(st.binary(max_size=200), VALUES.map(lambda value: json.dumps(value).encode())))
def test_any_body_is_read_or_refused(body):
    judged(parse_json, body)


@pytest.fixture(scope="module")
def strict():
    with running_engine(ENGINE_FILTER_LISTS="/nowhere.txt") as engine:
        yield engine


def assert_refused(answer):
    assert answer.status_code in (400, 403), answer.text
    assert answer.status_code == 400 or answer.json()["error"] == "plan_required"
    assert answer.elapsed.total_seconds() < SOON, "it hung"
    assert set(answer.json()) - {"field"} == {"error", "message", "status", "retryable"}
    assert answer.json()["retryable"] is False


@FUZZ
@given(PAIRS)
def test_any_query_is_answered(strict, pairs):
    query = urlencode([("url", INSIDE), *pairs], errors="replace")
    assume(len(query) < 8000)  # aiohttp itself refuses longer lines
    assert_refused(strict.get("/v1/screenshot?" + query))


@FUZZ
@given(st.text(string.printable, max_size=80))
def test_any_raw_query_is_answered(strict, raw):
    assert_refused(strict.get("/v1/screenshot?" + quote(raw, safe="&=%+;/?:@")))


@FUZZ
@given(st.one_of(OBJECTS.map(lambda options: {"url": INSIDE} | options), VALUES))
def test_any_json_body_is_answered(strict, body):
    assert_refused(strict.post("/v1/screenshot", data=json.dumps(body), headers={"Content-Type": "application/json"}))


@FUZZ
@given(st.binary(max_size=200))
def test_any_bytes_for_a_body_are_answered(strict, body):
    assert_refused(strict.post("/v1/screenshot", data=body))


def test_none_of_it_reached_a_browser(strict):
    assert_refused(strict.capture(INSIDE, width=320))
    health = strict.health()

    assert (health["ok"], health["captures"], health["in_flight"]) == (True, 0, 0)
