"""The header in which the engine tells of a capture: what is read of it, whoever has written it."""

import json

import pytest

from options.engine_event import LONGEST_EVENT, LONGEST_REASON, read_event, write_event

FACTS = {
    "outcome": "page_status",
    "reason": "the page answered 404",
    "seconds": 1.25,
    "parts": {"queue": 0.0, "arrive": 1.2},
}


def test_what_is_written_is_read():
    assert read_event(write_event(FACTS)) == FACTS


def test_a_long_reason_is_cut_and_ascii_travels():
    header = write_event({"outcome": "ok", "reason": "ü" * 5000})
    assert header.isascii()
    assert len(header) <= LONGEST_EVENT
    assert read_event(header)["reason"] == "ü" * LONGEST_REASON


@pytest.mark.parametrize(
    "header",
    ["", "no JSON", "[]", "null", "[" * 1900, '{"outcome": "x y"}', '{"reason": 1}', '{"seconds": true}', '{"parts": []}',
     '{"seconds": -1}', '{"seconds": NaN}', '{"bytes": 1e300}', " " * (LONGEST_EVENT + 1), '{"url": "https://example.com/?q"}'],
)  # fmt: skip
def test_nothing_else_is_read(header):
    assert read_event(header) == {}


def test_names_and_numbers_of_parts_are_bounded():
    parts = {f"part-{letter}": 1 for letter in "abcdefghijklmnopqrstuvwxyz"} | {"https://x/": 1}
    found = read_event(json.dumps({"parts": parts, "reason": "a\nb"}))
    assert len(found["parts"]) == 12
    assert found["reason"] == "a b"
