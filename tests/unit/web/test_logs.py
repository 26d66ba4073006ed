"""Events that are written together reach the log as whole lines."""

import json
from select import PIPE_BUF

import pytest

import logs


@pytest.fixture
def written(monkeypatch):
    pieces = []
    monkeypatch.setattr(logs, "_write_line", pieces.append)
    return pieces


@pytest.mark.parametrize("size", [10, 700, 2500, 3 * PIPE_BUF])
def test_no_piece_is_longer_than_a_pipe_takes_as_a_whole_but_a_single_line(written, size):
    """Or lines of processes that share a pipe, as those of a container do, would be mixed."""
    logs.info_each("request", [{"number": number, "text": "ä" * (size * (number % 3) // 4)} for number in range(50)])

    assert [json.loads(line)["number"] for line in "".join(written).splitlines()] == list(range(50))
    for piece in written:
        assert piece.endswith("\n")
        assert len(piece.encode()) <= PIPE_BUF or piece.count("\n") == 1
    assert len(written) < 25 or size > 1000


def test_an_event_that_cannot_be_written_as_utf_8_costs_no_other_its_line(written):
    logs.info_each("request", [{"number": 1}, {"number": 2, "host": "\ud800"}, {"number": 3}])
    assert [json.loads(line)["number"] for line in "".join(written).splitlines()] == [1, 2, 3]


def test_nothing_is_written_of_no_events(written):
    logs.info_each("request", [])
    assert written == []
