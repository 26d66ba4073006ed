"""Databases are migrated: from nothing, from each earlier revision with data, and by several processes at once."""

import re
import warnings
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from errors import DatabaseUnavailable
from sites import Catalogue, Database, Filters, Region
from sites.database import engine_url, known_revisions, make_engine
from sites.migrate import NewerDatabase, upgrade
from sites.models import Base
from tests.support.preloaded import ROOT, production_environ, run_python

DATA = ROOT / "tests/data/catalogue"


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def new_url(request, tmp_path):
    """A database without tables."""
    if request.param == "postgresql":
        return request.getfixturevalue("postgres_server").new_database(migrated=False)
    return f"sqlite:///{tmp_path}/folder/thumbnails.db"


def execute(url, *statements):
    engine = make_engine(engine_url(url))
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


def test_the_tables_are_those_of_the_models(new_url):
    upgrade(new_url)

    engine = make_engine(engine_url(new_url))
    with engine.connect() as connection, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*expression-based index")
        differences = compare_metadata(MigrationContext.configure(connection), Base.metadata)
    engine.dispose()
    # SQLite does not tell expressions of indexes, so Alembic can compare that one on PostgreSQL alone.
    assert [each for each in differences if each[0] != "add_index" or each[1].name != "ix_sites_changed"] == []


@pytest.mark.parametrize("revision", known_revisions())
def test_a_catalogue_of_an_earlier_revision_keeps_its_sites(new_url, revision):
    upgrade(new_url, revision)
    statements = (DATA / f"{revision}.sql").read_text(encoding="utf-8").split(";\n")
    execute(new_url, *filter(str.strip, statements))

    assert upgrade(new_url) == (revision, known_revisions()[-1])

    database = Database(new_url)
    page = Catalogue(database, lambda _schedule, _after: None).find(Filters(sort="added"))
    database.close()
    newer, older = page.sites
    assert (older.url, older.title, older.tags) == ("https://example.com/", "Ümlaut, 例え", ("b", "news"))
    assert older.options == {"device": "iphone-15"}
    assert (older.created_at, older.revision) == (datetime(2026, 11, 1, 12, tzinfo=UTC), 3)
    assert (older.picture.number, older.picture.change, older.picture.region) == (2, 12.5, Region(0, 10, 320, 200))
    assert (newer.status, newer.failure.code, newer.failure.count) == ("failed", "page_timeout", 4)
    assert newer.picture is None


def test_several_processes_may_migrate_at_once(new_url):
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(upgrade, [new_url] * 4))

    head = known_revisions()[-1]
    assert sorted(results, key=str) == [(head, head)] * 3 + [(None, head)]


def test_a_database_that_a_newer_version_has_migrated_is_refused_and_left_as_it_is(new_url):
    upgrade(new_url)
    execute(new_url, "UPDATE alembic_version SET version_num = '9001'")

    with pytest.raises(NewerDatabase, match=r"has revision 9001.*knows revisions up to .*Run the newer version, or"):
        upgrade(new_url)
    database = Database(new_url)
    assert database.state() == "newer than this version of the service"
    with pytest.raises(DatabaseUnavailable):
        Catalogue(database, lambda _schedule, _after: None).counts()
    database.close()


def test_a_database_without_tables_says_what_to_do(new_url):
    database = Database(new_url)
    if database.is_sqlite:
        assert database.state().startswith("not there; check DATABASE_URL")
        assert not Path(database.where).parent.exists()
    else:
        assert database.state() == "not migrated; run thumbnails migrate"
    upgrade(new_url)
    assert database.state() == "ok"
    database.close()


def test_the_file_is_for_its_user_alone(tmp_path):
    upgrade(f"sqlite:///{tmp_path}/thumbnails.db")
    with Database(f"sqlite:///{tmp_path}/thumbnails.db")._engine.begin():
        modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert modes["thumbnails.db"] == 0o600
    assert set(modes.values()) == {0o600}


def test_the_command_says_in_one_line_what_it_did(tmp_path):
    def migrate(url):
        done = run_python("sites.migrate", env=production_environ() | {"DATABASE_URL": url}, cwd=tmp_path)
        return done.returncode, done.stdout + done.stderr

    head = known_revisions()[-1]
    url = f"sqlite:///{tmp_path}/thumbnails.db"
    assert migrate(url) == (0, f"A new, empty catalogue was made: {tmp_path}/thumbnails.db\n")
    assert migrate(url) == (0, f"The database is up to date: revision {head}.\n")
    status, told = migrate("postgresql://thumbs:s3cret@127.0.0.1:9/none")
    assert status == 1
    assert re.fullmatch(r"The database cannot be migrated \(.*refused.*\)\. Check DATABASE_URL\.\n", told)
    assert "s3cret" not in told
