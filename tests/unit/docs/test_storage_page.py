"""docs/operations/storage.md tells what to do about each error of S3, as the log does."""

import re
from pathlib import Path

from storage_backends.s3_errors import HINTS

PAGE = Path(__file__).parents[3] / "docs/operations/storage.md"


def test_the_page_says_what_the_log_says_about_each_error():
    table = PAGE.read_text(encoding="utf-8").partition("## Errors of S3")[2]
    rows = re.findall(r"^\| (`.+?) \| (.+) \|$", table, flags=re.MULTILINE)
    told = {code: hint for codes, hint in rows for code in re.findall(r"`([^`]+)`", codes)}
    assert told == HINTS
