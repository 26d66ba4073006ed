"""docs/errors.md holds every code of the service and of the engine, with its status and whether a retry can help."""

import json
import re
from pathlib import Path

import pytest

import errors
from capture import DIALECTS
from capture.outcomes import read_failure
from engine import errors as engine_errors

PAGE = Path(__file__).parents[3] / "docs" / "errors.md"
OURS, ENGINES = PAGE.read_text(encoding="utf-8").split("## Codes of the engine")


def rows(text):
    """Read the table: the code of each row, its status, and what it says about retries."""
    found = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if "| `" in line[:4]]
    return {cells[0].strip("`"): (int(cells[1]), cells[2], *cells[3:]) for cells in found}


def all_kinds(kind):
    return [kind, *(each for direct in kind.__subclasses__() for each in all_kinds(direct))]


def said(retryable):
    return {frozenset([True]): "yes", frozenset([False]): "no"}.get(frozenset(retryable), "both")


def test_the_table_of_the_service_is_that_of_the_code():
    kinds = [kind for kind in all_kinds(errors.ThumbnailError) if not kind.__subclasses__() or "code" in vars(kind)]
    codes = {kind.code for kind in kinds}
    # One code whose kinds differ, and two whose errors do: `page_status` by the page's status, `no_og_image` by the reason.
    retryable = {code: {kind.retryable for kind in kinds if kind.code == code} for code in codes}
    retryable |= {code: {True, False} for code in ("page_status", "no_og_image")}
    statuses = {kind.code: kind.status for kind in kinds}
    faults = {kind.code: kind.usual_fault for kind in kinds}

    assert {code: row[:3] for code, row in rows(OURS).items()} == {
        code: (statuses[code], said(retryable[code]), faults[code]) for code in codes
    }


def test_the_table_of_the_engine_is_that_of_the_code():
    kinds = all_kinds(engine_errors.EngineError)
    told = {(kind.code, kind.status, said([kind.retryable])) for kind in kinds if kind is not engine_errors.PageStatus}
    network = {*engine_errors.NETWORK_FAILURES.values(), engine_errors.OTHER}
    told |= {(each.code, 422, said([each.retryable])) for each in network} | {("page_status", 422, "both")}

    assert {(code, *row[:2]) for code, row in rows(ENGINES).items()} == told


@pytest.mark.parametrize("code", rows(ENGINES))
def test_the_service_answers_to_a_code_of_the_engine_as_the_table_says(code):
    status, _, _, answer = rows(ENGINES)[code]
    engine, body = DIALECTS["engine"], json.dumps({"error": code}).encode()
    err = read_failure(engine.envelope, engine.outcomes, status, None, body).to_error()

    assert re.findall(r"`(\w+)`", answer) == [err.code]
