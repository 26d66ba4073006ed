"""Any request to `/sites` gets an answer that is no failure of the service, on SQLite and on PostgreSQL."""

import json
import string
from urllib.parse import quote, urlencode

import hypothesis
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from sites import CHANGEABLE, SiteDraft

pytestmark = pytest.mark.slow

FUZZ = hypothesis.settings(suppress_health_check=list(HealthCheck), max_examples=25)
TEXTS = st.one_of(
    st.sampled_from(
        ["https://example.com/", "daily", "1 year", "-1", "9" * 30, "\0", "\ud800", "%", "_", "\\", "'", "é"]
    ),
    st.text(max_size=20),
)
LEAVES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXTS)
VALUES = st.one_of(LEAVES, st.lists(LEAVES, max_size=3), st.dictionaries(TEXTS, LEAVES, max_size=3))
FIELDS = st.sampled_from([*sorted(CHANGEABLE), "capture", "sites", "version", "id"]) | st.text(max_size=6)
BODIES = st.one_of(
    st.dictionaries(FIELDS, VALUES, max_size=5),
    st.dictionaries(FIELDS, VALUES, max_size=3).map(lambda body: {"url": "https://example.org/"} | body),
    st.lists(st.dictionaries(FIELDS, VALUES, max_size=3) | VALUES, max_size=3).map(lambda many: {"sites": many}),
    VALUES,
)
FILTERS = st.lists(
    st.tuples(
        st.sampled_from(
            ["status", "tag", "text", "host", "changed_since", "sort", "cursor", "limit", "from", "to", "w"]
        ),
        st.one_of(
            st.sampled_from(["title", "ready", "3", "2026-11-29T12:00:00Z", "9999-12-31T23:59:59-12:00", "0001-01-01"]),
            TEXTS,
        ),
    ),
    max_size=4,
)
IDS = st.one_of(
    st.sampled_from(["1", "0", "2147483648", "tags", "-1", "1.5", "9" * 40]), st.text(string.printable, max_size=6)
)
ENDS = st.sampled_from(["", "/image", "/versions", "/versions/1", "/versions/1/image", "/diff", "/capture", "/picture"])


@pytest.fixture
def settings(settings):
    many = "1000000 per minute"
    return settings | {"request_limit": many, "rendition_limit": many}


@pytest.fixture
def client(client, built):
    built.catalogue.add(SiteDraft("https://example.com/"))
    return client


def answered(response):
    assert response.status_code < 500, response.text


@FUZZ
@given(FILTERS)
def test_any_filter(client, filters):
    query = urlencode(filters, errors="surrogatepass")
    for path in ("/sites", "/sites/1/versions", "/sites/1/diff", "/sites/1/image"):
        answered(client.get(f"{path}?{query}"))


@FUZZ
@given(st.text(string.printable, max_size=60))
def test_any_query(client, query):
    for path in ("/sites", "/sites/1/image"):
        answered(client.get(f"{path}?{quote(query, safe='=&%+;')}"))


@FUZZ
@given(BODIES, IDS, ENDS, st.sampled_from(["POST", "PATCH", "PUT", "DELETE", "GET"]))
def test_any_body_to_any_path(client, body, id_, end, method):
    answered(client.post("/sites", data=json.dumps(body), content_type="application/json"))
    path = f"/sites/{quote(id_, safe='')}{end}"
    answered(client.open(path, method=method, data=json.dumps(body), content_type="application/json"))


@FUZZ
@given(st.text(st.characters(max_codepoint=0xFF, exclude_characters="\r\n"), max_size=30))
def test_any_tag(client, tag):
    for name in ("HTTP_IF_MATCH", "HTTP_IF_NONE_MATCH"):
        environ = {name: tag, "CONTENT_TYPE": "application/json"}
        answered(client.patch("/sites/1", data='{"title": "x"}', environ_overrides=environ))
        answered(client.get("/sites/1", environ_overrides=environ))
