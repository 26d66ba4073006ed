"""docs/snapsharp.md lists every option of the contract, and no other."""

import re
from pathlib import Path

from options import contract

PAGE = Path(__file__).parents[3] / "docs" / "snapsharp.md"


def test_the_table_of_options_is_that_of_the_code():
    section = PAGE.read_text(encoding="utf-8").split("## Options")[1].split("\n## ")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    listed = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    beside = set(re.findall(r"`(\w+)`", section.partition("are taken too")[0].rpartition("\n\n")[2]))

    assert listed | beside == contract.NAMES
    assert not listed & beside
