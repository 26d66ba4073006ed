"""Brings the tables up to date: `python -m sites.migrate`, or `make migrate`. Also makes the database file.

Several processes may do so at once: one does the work, the others wait for it.
"""

import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.engine.interfaces import DBAPICursor
from sqlalchemy.exc import SQLAlchemyError

import config
from sites.database import engine_url, file_of, known_revisions, make_engine, revision_of

_LOCK = 7_418_529_630  # any number that no other program uses as an advisory lock of the same database
_WAIT_SECONDS = 10  # for other processes that make the same file
_PAUSE = 0.05  # seconds between two attempts


class NewerDatabase(Exception):
    """The database was migrated by a newer version of the service. Its tables are left as they are."""

    def __init__(self, revision: str, known: str) -> None:
        super().__init__(
            f"The database has revision {revision}, but this version of the service knows revisions up to {known}. "
            "Run the newer version, or restore a backup from before its migration."
        )


class Unmigratable(Exception):
    """The database cannot be reached or changed. The text says why."""

    def __init__(self, cause: BaseException) -> None:
        reason = str(getattr(cause, "orig", None) or cause).partition("\n")[0]
        super().__init__(f"The database cannot be migrated ({reason}). Check DATABASE_URL.")


def upgrade(url: str, to: str = "head") -> tuple[str | None, str]:
    """Migrate the database to the newest revision. Return the revision that it had, None for no tables, and the new one.

    An older one is for tests of later steps. All steps are one transaction. Raises NewerDatabase or Unmigratable.
    """
    try:
        return _migrate(url, to)
    except (SQLAlchemyError, OSError) as err:
        raise Unmigratable(err) from err


def _migrate(url: str, to: str) -> tuple[str | None, str]:
    parsed = engine_url(url)
    is_sqlite = parsed.get_backend_name() == "sqlite"
    if is_sqlite and parsed.database:
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        Path(parsed.database).touch(
            mode=0o600
        )  # it shows which pages people look at; files beside it get the same mode
    engine = make_engine(parsed, migrating=True)
    try:
        if is_sqlite:
            with closing(engine.raw_connection()) as connection:
                _write_ahead(connection.cursor())
        with engine.execution_options(writes=True).begin() as connection:
            if not is_sqlite:
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
            return _upgrade(connection, to)
    finally:
        engine.dispose()


def _write_ahead(cursor: DBAPICursor) -> None:
    """Let readers not wait for a writer. The file remembers it. It cannot change in a transaction.

    SQLite's own time-out does not hold here: of two processes that change it, one is refused immediately.
    """
    end = time.monotonic() + _WAIT_SECONDS
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.Error as err:
            if err.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise Unmigratable(err) from err
            time.sleep(_PAUSE)
        else:
            return


def _upgrade(connection: Connection, to: str) -> tuple[str | None, str]:
    found, known = revision_of(connection), known_revisions()
    if found is not None and found not in known:
        raise NewerDatabase(found, known[-1])
    if found != known[-1]:
        settings = Config()
        settings.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        settings.attributes["connection"] = connection
        command.upgrade(settings, to)
        if connection.dialect.name == "sqlite" and connection.exec_driver_sql("PRAGMA foreign_key_check").first():
            raise RuntimeError("a migration has left rows that belong to no site; nothing was changed")
    return found, known[-1]


def missing_file(url: str) -> Path | None:
    """Return the file of SQLite that a migration would make, None if there is one."""
    file = file_of(engine_url(url))
    return file if file and not file.exists() else None


def main(*, quiet: bool = False) -> int:
    """Migrate the database that the settings name, and say what was done. Return the exit status."""
    try:
        url = config.load().database_url
    except config.ConfigError as err:
        config.stop(err)
    new = missing_file(url)
    try:
        found, now = upgrade(url)
    except (NewerDatabase, Unmigratable) as err:
        sys.stderr.write(f"{err}\n")
        return 1
    if new:
        sys.stdout.write(f"A new, empty catalogue was made: {new}\n")
    elif found != now:
        sys.stdout.write(f"The database is migrated: from revision {found or 'none'} to {now}.\n")
    elif not quiet:
        sys.stdout.write(f"The database is up to date: revision {now}.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(quiet="--quiet" in sys.argv))
