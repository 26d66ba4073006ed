"""Whatever a client sends, it gets an answer, and never a 5xx. The API is healthy throughout."""

import json
import string
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from validation import Options

FUZZ = settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
NAMES = st.one_of(st.sampled_from([*Options.model_fields, "widht", "URL"]), st.text(max_size=8))
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
BODIES = st.dictionaries(NAMES, LEAVES, max_size=5).map(lambda body: {"url": "https://example.com/"} | body)


@pytest.fixture
def unlimited(make_client):
    return make_client(
        thumb_limit="1000000 per hour", persist_limit="1000000 per hour", request_limit="1000000 per hour"
    )


@pytest.fixture
def guarded(make_client):
    return make_client(
        signing_keys="a-signing-key-for-fuzz", api_keys="cms:fuzz-me-not-please", request_limit="1000000 per hour",
        thumb_limit="1000000 per hour", persist_limit="1000000 per hour",
    )  # fmt: skip


@FUZZ
@given(PAIRS, st.sampled_from(["*/*", "image/*", "image/avif", "text/html", "nonsense;;q=x"]))
def test_any_query_of_thumb_is_answered(unlimited, pairs, accept):
    query = urlencode([("url", "https://example.com/"), *pairs], errors="replace")
    assert unlimited.get(f"/thumb?{query}", headers={"Accept": accept}).status_code < 500


@FUZZ
@given(RAW)
def test_any_raw_query_is_answered(unlimited, raw):
    assert unlimited.get(f"/thumb?{quote(raw, safe=string.printable.replace('#', ''))}").status_code < 500


@FUZZ
@given(st.one_of(JSON, BODIES))
def test_any_json_body_of_persist_is_answered(unlimited, body):
    assert unlimited.post("/persist", json=body).status_code < 500


@FUZZ
@given(st.binary(max_size=200))
def test_any_bytes_called_json_are_answered(unlimited, data):
    assert unlimited.post("/persist", data=data, content_type="application/json").status_code < 500


@FUZZ
@given(PAIRS, st.text(string.ascii_letters + string.digits + "=-_+ %", max_size=80))
def test_any_signature_and_key_is_answered(guarded, pairs, secret):
    query = urlencode([("url", "https://example.com/"), *pairs, ("sig", secret)], errors="replace")
    headers = {"Authorization": f"Bearer {secret}", "X-API-Key": secret}
    assert guarded.get(f"/thumb?{query}", headers=headers).status_code in (400, 401, 403)
    assert guarded.post("/persist", data=json.dumps({"url": secret}), headers=headers).status_code in (400, 401, 415)


@FUZZ
@given(st.text(max_size=60))
def test_any_path_of_media_is_answered(unlimited, path):
    assert unlimited.get("/media/" + quote(path, errors="replace")).status_code < 500
