"""The commands where there is no database."""

from pathlib import Path

import pytest

from tests.support.command_line import facts, runner_for
from tests.support.databases import ON_SQLITE

pytestmark = ON_SQLITE


@pytest.mark.parametrize(
    "command", [("backup", "b.tar"), ("sites", "export"), ("sites", "import", "list.txt"), ("doctor",)]
)
def test_a_misspelt_database_is_named_and_not_made(make_built, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    Path("list.txt").write_text("https://example.com/\n", encoding="utf-8")
    done = runner_for(make_built(database_url="sqlite:///catalog.db"))(*command)

    assert done.exit_code == 1
    assert "not there" in done.output
    assert "check DATABASE_URL, or make it by thumbnails migrate" in done.output
    assert str(tmp_path / "catalog.db") in done.output
    assert [path for name in ("*catalog*", "*b.tar*") for path in tmp_path.glob(name)] == []


def test_a_migration_says_that_it_has_made_a_catalogue(make_built, tmp_path):
    thumbnails = runner_for(make_built(database_url=f"sqlite:///{tmp_path}/new/catalog.db"))
    assert thumbnails("migrate").stdout == f"Made a new, empty catalogue: {tmp_path}/new/catalog.db\n"
    assert "up to date" in thumbnails("migrate").stdout
    told = facts(thumbnails("--json", "migrate"))
    assert (told["migrated"], told["made"]) == (False, None)
