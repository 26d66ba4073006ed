"""Runs a real PostgreSQL on loopback, in a folder of its own, without waiting for the disk."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import psycopg
from sqlalchemy import create_engine

from scripts.system_packages import postgresql_programs
from sites.migrate import upgrade
from tests.support.processes import free_port, stop, wait_until

# A crash may lose the data, which the tests throw away anyhow.
_HASTE = [option for name in ("fsync", "synchronous_commit", "full_page_writes") for option in ("-c", f"{name}=off")]
_TEMPLATE = "migrated"
# Truncating a table recreates its files, so tables that never had a row are left as they are.
_EMPTY = """
DO $$
DECLARE
    filled text;
BEGIN
    PERFORM pg_terminate_backend(pid, 10000) FROM pg_stat_activity
        WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid();
    SELECT string_agg(relid::regclass::text, ', ') INTO filled FROM pg_stat_user_tables
        WHERE relname <> 'alembic_version' AND pg_relation_size(relid) > 0;
    IF filled IS NOT NULL THEN
        EXECUTE 'TRUNCATE ' || filled || ' CASCADE';
    END IF;
    PERFORM setval(oid, 1, false) FROM pg_class WHERE relkind = 'S';
END $$
"""


@dataclass
class PostgresServer:
    port: int
    process: subprocess.Popen
    folder: Path
    _numbers: Iterator[int] = field(default_factory=count)
    _emptied: str | None = None

    def url(self, name: str) -> str:
        return f"postgresql://thumbs@127.0.0.1:{self.port}/{name}"

    def new_database(self, *, migrated: bool = True) -> str:
        """Make an empty database, with its tables if it is `migrated`, and return its URL."""
        name = f"test{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name}" + (f" TEMPLATE {_TEMPLATE}" if migrated else ""))
        return self.url(name)

    def empty_database(self) -> str:
        """Return the URL of a migrated database without rows: always the same one. Open connections are closed.

        To make another database takes 0.15 s of processor time. Not for tests that change its tables.
        """
        if self._emptied is None:
            self._emptied = self.new_database()
        with psycopg.connect(self._emptied, autocommit=True) as connection:
            connection.execute(_EMPTY)
        return self._emptied

    def execute(self, statement: str, database: str = "postgres") -> None:
        engine = create_engine(self.url(database).replace("postgresql:", "postgresql+psycopg:"))
        with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            connection.exec_driver_sql(statement)
        engine.dispose()


@contextmanager
def running_postgres(port: int | None = None) -> Iterator[PostgresServer]:
    """Run an empty server until the block ends."""
    port = port or free_port()
    # Not pytest's folder: the name of a Unix socket has at most 107 characters.
    folder = Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))
    try:
        _initialise(folder)
        with serving(folder, port) as process:
            server = PostgresServer(port, process, folder)
            server.execute(f"CREATE DATABASE {_TEMPLATE}")
            upgrade(server.url(_TEMPLATE))
            yield server
    finally:
        shutil.rmtree(folder)


@contextmanager
def serving(folder: Path, port: int) -> Iterator[subprocess.Popen]:
    """Run the server whose data are in `folder`."""
    options = ["-D", folder / "data", "-k", folder, "-p", str(port), "-c", "listen_addresses=127.0.0.1", *_HASTE]
    with (folder / "log").open("ab") as log:
        command = [postgresql_programs() / "postgres", *options]
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True, cwd="/", **_user())
    ready = [postgresql_programs() / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
    try:
        wait_until(lambda: subprocess.run(ready, check=False).returncode == 0, "a PostgreSQL that answers")
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGINT)  # SIGTERM would wait until all clients have gone
            with suppress(subprocess.TimeoutExpired):
                process.wait(10)
        stop(process)


def _initialise(folder: Path) -> None:
    if user := _user():
        os.chown(folder, user["user"], user["group"])
    initdb = [postgresql_programs() / "initdb", "-D", folder / "data", "-U", "thumbs", "--auth=trust", "--no-sync"]
    # Two locales that differ in how they sort would make two test runs of one.
    subprocess.run(
        [*initdb, "--encoding=UTF8", "--locale=C.UTF-8"], check=True, capture_output=True, cwd="/", **_user()
    )


def _user() -> dict[str, int]:
    """Name another user than root, as whom PostgreSQL refuses to run."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
