"""Any list that is sent to `/sites/import` gets an answer that is no failure of the service, on both databases."""

import csv
import html
import io

import hypothesis
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from sites.exports import FILES
from sites.imports import ListKind

pytestmark = pytest.mark.slow

FUZZ = hypothesis.settings(suppress_health_check=list(HealthCheck), max_examples=25)
ODD = [
    "",
    "https://example.com/",
    "=1",
    "'",
    "a,b;c|d",
    "hide=%00",
    "hide=%FF&width=640",
    "device=iphone-14",
    "12h",
    "1 year",
]
ODD += ["\u2028", "&#0;", "&#1;", "&#xD800;", "%00", "yes", "9" * 30, "é", "\U0001f41f", "x" * 600]
CELLS = st.one_of(st.sampled_from(ODD), st.text(max_size=12))
URLS = st.one_of(st.sampled_from([f"https://{name}.example.com/" for name in "abc"]), CELLS)
ROWS = st.lists(st.tuples(URLS, *[CELLS] * 7), max_size=4)


def as_csv(rows):
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerows([("url", "title", "note", "tags", "options", "schedule", "keep", "paused"), *rows])
    return text.getvalue()


def as_bookmarks(rows):
    links = (
        f"<DT><H3>{folder}</H3><DL><DT><A HREF='{html.escape(url)}' TAGS='{html.escape(tags)}'>{title}</A><DD>{note}</DL>"
        for url, title, note, tags, folder, *_ in rows
    )
    return f"<!DOCTYPE NETSCAPE-Bookmark-file-1><DL>{''.join(links)}</DL>"


def as_opml(rows):
    outlines = (
        f"<outline text='{html.escape(title)}'><outline htmlUrl='{html.escape(url)}' text='{html.escape(note)}' category='{html.escape(tags)}'/>"
        "</outline>"
        for url, title, note, tags, *_ in rows
    )
    return f"<opml><body>{''.join(outlines)}</body></opml>"


LISTS = st.one_of(
    st.builds(
        lambda write, rows: write(rows).encode(errors="replace"), st.sampled_from([as_csv, as_bookmarks, as_opml]), ROWS
    ),
    st.binary(max_size=200),
)
KINDS = st.sampled_from([None, *ListKind])


@pytest.fixture
def settings(settings):
    return settings | {"request_limit": "1000000 per minute"}


@FUZZ
@given(LISTS, KINDS, st.sampled_from(["true", "false"]), st.sampled_from(["", "; charset=latin1", "; charset=\x7f"]))
def test_no_list_is_a_failure_of_the_service(client, built, body, kind, dry_run, charset):
    query = {"dry_run": dry_run, "capture": "no"} | ({"kind": kind.value} if kind else {})
    answer = client.post("/sites/import", data=body, query_string=query, content_type=f"text/plain{charset}")
    assert answer.status_code in (200, 400), answer.data
    if answer.status_code == 200:
        report = answer.json
        assert (
            report["lines"]
            == len(report["sites"])
            == sum(report[name] for name in ("added", "changed", "unchanged", "refused"))
        )
    for format_ in FILES:
        assert client.get(f"/sites/export?format={format_}").status_code == 200


@FUZZ
@given(LISTS, KINDS)
def test_a_list_that_was_imported_is_unchanged_when_it_is_sent_again(client, body, kind):
    query = {"capture": "no"} | ({"kind": kind.value} if kind else {})
    first, second = (client.post("/sites/import", data=body, query_string=query) for _ in range(2))
    assert first.status_code == second.status_code
    if first.status_code == 200:
        assert (second.json["added"], second.json["changed"]) == (0, 0), (first.json, second.json)


@FUZZ
@given(ROWS)
def test_an_export_imports_as_it_was(client, rows):
    client.post("/sites/import?capture=no", data=as_csv(rows).encode(errors="replace"))
    exported = client.get("/sites/export").data
    answer = client.post("/sites/import?dry_run=true", data=exported)
    if answer.status_code == 200:  # an empty catalogue is an empty list
        assert answer.json["unchanged"] == answer.json["lines"], answer.json
