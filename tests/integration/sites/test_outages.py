"""The database is unreachable: pictures go on, the catalogue says so, and nothing is lost."""

import re
import shutil
import subprocess

import pytest

from errors import DatabaseUnavailable
from scripts.system_packages import postgresql_programs
from sites import Catalogue, Database, SiteDraft
from sites.migrate import upgrade
from tests.support.postgres import running_postgres, serving
from tests.support.preloaded import ROOT
from tests.support.processes import stop

PAGE = (ROOT / "docs/operations/database.md").read_text(encoding="utf-8")
PICTURE = "/thumb?url=https://example.com/&w=320"


@pytest.fixture
def database_url(tmp_path):
    """These tests choose their databases themselves."""
    return f"sqlite:///{tmp_path}/thumbnails.db"


@pytest.fixture(scope="module")
def own_postgres():
    """A server that a test may stop."""
    with running_postgres() as server:
        yield server


def catalogue_of(url):
    database = Database(url)
    return database, Catalogue(database, lambda _schedule, _after: None)


@pytest.mark.slow
def test_pictures_go_on_and_the_catalogue_comes_back(own_postgres, make_client):
    url = own_postgres.new_database()
    client = make_client(database_url=url)
    database, catalogue = catalogue_of(url)
    site = catalogue.add(SiteDraft("https://example.com/"))
    assert client.get("/ready").json["database"] == "ok"

    own_postgres.execute("CHECKPOINT")  # a crash of this server loses what it has not written yet
    stop(own_postgres.process, grace=0.1)
    with pytest.raises(DatabaseUnavailable) as caught:
        catalogue.add(SiteDraft("https://example.org/"))
    assert (caught.value.status, caught.value.retryable, caught.value.retry_after) == (503, True, 10)
    ready = client.get("/ready")
    assert (ready.status_code, ready.json["ok"], ready.json["database"]) == (200, True, "unreachable")
    assert [client.get(PICTURE).headers["X-Cache"] for _ in range(2)] == ["MISS", "HIT"]

    with serving(own_postgres.folder, own_postgres.port):
        assert catalogue.get(site.id) == site
        assert catalogue.add(SiteDraft("https://example.org/")).id != site.id
        assert client.get("/ready").json["database"] == "ok"
    database.close()


def test_a_file_that_is_no_database_is_unavailable(make_client, tmp_path):
    (tmp_path / "thumbnails.db").write_bytes(b"not a database, " * 1000)
    client = make_client()

    assert client.get("/ready").json["database"] == "unreachable"
    assert client.get(PICTURE).status_code == 200


def commands(title):
    """Return the first commands that the page shows after `title`."""
    return re.search(re.escape(title) + r".*?```sh\n(.*?)```", PAGE, flags=re.DOTALL)[1]


def run(script, folder, **environ):
    programs = f"{postgresql_programs()}:/usr/bin:/bin"
    subprocess.run(["sh", "-eux", "-c", script], cwd=folder, env=environ | {"PATH": programs}, check=True)


def test_a_backup_of_sqlite_that_is_made_while_it_is_written_restores_what_was_there(tmp_path):
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / ".venv/bin/python").symlink_to(shutil.which("python3"))
    url = f"sqlite:///{tmp_path}/data/thumbnails.db"
    upgrade(url)
    database, catalogue = catalogue_of(url)
    before = catalogue.add(SiteDraft("https://example.com/", title="Before", tags=("x",)))
    with database._engine.connect() as open_connection:  # so that changes stay in the file beside it
        open_connection.exec_driver_sql("SELECT count(*) FROM sites").scalar()
        catalogue.add(SiteDraft("https://example.net/"))
        run(commands("Back up SQLite."), tmp_path)
        catalogue.change(before.id, {"title": "After"})
    database.close()

    run(commands("Restore it:"), tmp_path)
    upgrade(url)

    database, catalogue = catalogue_of(url)
    assert catalogue.get(before.id) == before
    assert catalogue.counts().total == 2
    database.close()


@pytest.mark.slow
@pytest.mark.parametrize("into_another", [False, True])
def test_a_backup_of_postgresql_restores_what_was_there(postgres_server, tmp_path, into_another):
    url = postgres_server.new_database()
    database, catalogue = catalogue_of(url)
    before = catalogue.add(SiteDraft("https://example.com/", title="Before", tags=("x",)))
    run(commands("Back up PostgreSQL:"), tmp_path, DATABASE_URL=url)
    catalogue.change(before.id, {"title": "After"})
    database.close()

    if into_another:
        url = postgres_server.new_database(migrated=False)
    run(commands("Restore it, into the same database or an empty one:"), tmp_path, DATABASE_URL=url)
    upgrade(url)

    database, catalogue = catalogue_of(url)
    assert catalogue.get(before.id) == before
    assert catalogue.add(SiteDraft("https://example.org/")).id > before.id
    database.close()
