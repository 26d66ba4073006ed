"""The header of notes, as the engine writes it and the service reads it."""

import pytest

from options import Notes


@pytest.mark.parametrize(
    ("notes", "header"),
    [
        (Notes(), ""),
        (Notes(cut_at=16384), "cut-at=16384"),
        (Notes(parts_missing=12), "parts-missing=12"),
        (Notes(unfinished=1), "unfinished=1"),
        (Notes(cut_at=8192, parts_missing=1), "cut-at=8192, parts-missing=1"),
    ],
)
def test_notes_survive_the_header(notes: Notes, header: str):
    assert str(notes) == header
    assert Notes.read(header) == notes
    assert notes.headers == ({"X-Thumb-Note": header} if header else {})


def test_the_page_s_status_has_a_header_of_its_own():
    notes = Notes(cut_at=8192, page_status=404)
    assert notes.headers == {"X-Thumb-Note": "cut-at=8192, page-status=404", "X-Page-Status": "404"}
    assert Notes.read(notes.headers["X-Thumb-Note"]) == notes
    assert [Notes(page_status=status).shows_error for status in (0, 200, 399, 400, 503)] == [False] * 3 + [True] * 2


@pytest.mark.parametrize(
    "header",
    [
        "cut-at",
        "cut-at=",
        "cut-at=-1",
        "cut-at=1e9",
        "cut-at=\u0661",
        "cut-at=1 2",
        "cut_at=1",
        "CUT-AT=1",
        "cut-at=12345678901",
        "cut-at=1;parts-missing=2",
        "unknown=1",
        "cut-at=<script>",
        ",,,",
    ],
)
def test_what_is_no_known_note_is_ignored(header: str):
    assert Notes.read(header) == Notes()
    assert Notes.read(f"{header}, parts-missing=3") == Notes(parts_missing=3)
