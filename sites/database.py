"""The database of the catalogue: SQLite in a file, or PostgreSQL. Knows nothing of sites.

Every failure of the database becomes DatabaseUnavailable here, and nowhere else.
"""

import errno
import random
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import structlog
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, select, text
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, OperationalError, SQLAlchemyError
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from errors import DatabaseUnavailable
from images import CpuPool
from telemetry import metrics

T = TypeVar("T")

VERSIONS = Path(__file__).parent / "migrations" / "versions"
NOT_MIGRATED = "not migrated; run thumbnails migrate"
UNREACHABLE = "unreachable"
MISSING = "not there; check DATABASE_URL, or make it by thumbnails migrate"
NEWER = "newer than this version of the service"
PAUSE = 0.001  # seconds: after a sleep of 0, gevent looks for no requests
_BUSY_SECONDS = 10.0  # how long a write to SQLite waits for other processes
_BUSY_PAUSES = (0.005, 0.02)  # seconds between two tries, where SQLite itself does not wait
_POOL = 8  # connections of a process to PostgreSQL
_WAIT_SECONDS = 5  # for a connection of the pool
_POSTGRESQL: dict[str, object] = {
    "connect_timeout": 3,
    "tcp_user_timeout": 10_000,
    "keepalives_idle": 30,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "application_name": "thumbnails",
}
# Milliseconds. Without them, one long query or a forgotten transaction would hold up the requests of all processes.
_LIMITS = "-c statement_timeout=15000 -c lock_timeout=5000 -c idle_in_transaction_session_timeout=30000"
_DEADLOCKS = 2  # after which a caller may retry
_DEADLOCK_DETECTED = "40P01"  # https://www.postgresql.org/docs/current/errcodes-appendix.html
_log = structlog.get_logger()


class _NoFile(OSError):
    pass


def known_revisions() -> list[str]:
    """Return the revisions of the tables that this code knows, the oldest first: `0001` of `0001_sites.py`."""
    return sorted(path.name.partition("_")[0] for path in VERSIONS.glob("[0-9]*_*.py"))


class Database:
    """Runs units of work, each in a transaction of its own. Opens nothing before the first one.

    SQLite is C code that would block all greenlets of a web process, so its work runs in a native thread: in one, since
    several would wait for each other in SQLAlchemy's locks, which are gevent's there. psycopg waits as greenlets do by
    itself. A session and its rows belong to their unit of work: return frozen values.
    """

    def __init__(self, url: str) -> None:
        self._url = engine_url(url)
        self._threads = CpuPool(1, threads=1) if self.is_sqlite else None
        waits = self._threads is None or not self._threads.is_native
        self._engine = make_engine(self._url, busy_seconds=_BUSY_SECONDS if waits else 0)
        self._writing = self._engine.execution_options(writes=True)
        self._migrated = False
        self._closed = False

    @property
    def where(self) -> str:
        """The file, or the URL without its password, for operators."""
        file = file_of(self._url)
        return str(file) if file else self._url.render_as_string(hide_password=True)

    @property
    def is_sqlite(self) -> bool:
        return self._url.get_backend_name() == "sqlite"

    def read(self, work: Callable[[Session], T]) -> T:
        """Return the result of `work`, which changes nothing. Raises DatabaseUnavailable, and what `work` raises."""
        return self._run(work, self._engine)

    def write(self, work: Callable[[Session], T]) -> T:
        """Return the result of `work` and commit, or roll back if it raises. Raises DatabaseUnavailable, IntegrityError.

        Of transactions that wait for each other, PostgreSQL ends one. Its `work` is done once more, since the other is done.
        """
        for _ in range(_DEADLOCKS):
            try:
                return self._run(work, self._writing)
            except DatabaseUnavailable as err:
                if not _is_deadlock(err.__cause__):
                    raise
        return self._run(work, self._writing)

    def pause(self) -> None:
        """Let other requests run in the middle of a long unit of work. Only greenlets need it: a thread is preempted."""
        if self._threads is None:
            time.sleep(PAUSE)

    def state(self) -> str:
        """Return `ok`, `unreachable`, or what to do."""
        try:
            self.read(lambda session: session.scalar(select(1)))
        except DatabaseUnavailable as err:
            return err.state
        return "ok"

    def close(self) -> None:
        """Close all connections; one that a thread still uses, as soon as its work ends. No more work begins."""
        self._closed = True
        self._engine.dispose()

    def _run(self, work: Callable[[Session], T], engine: Engine) -> T:
        if self._closed:
            raise DatabaseUnavailable("the process ends; try again")
        pool = engine.pool  # after `close`, the engine has another

        def unit() -> T:
            with Session(engine, expire_on_commit=False) as session, session.begin():
                self._require_migrated(session)
                return work(session)

        try:
            return unit() if self._threads is None else _run_in(self._threads, unit)
        except (DataError, IntegrityError):
            raise  # the database works, and says that a value does not fit
        except (SQLAlchemyError, OSError) as err:
            raise _unavailable(err) from err
        finally:
            if self._closed:
                pool.dispose()

    def _require_migrated(self, session: Session) -> None:
        """Refuse tables that are older or newer than this code, once for each process."""
        if self._migrated:
            return
        revision, known = revision_of(session.connection()), known_revisions()
        if revision == known[-1]:
            self._migrated = True
            return
        state = NEWER if revision and revision not in known else NOT_MIGRATED
        _log.error("database_revision", found=revision, known=known[-1], detail=f"the database is {state}")
        raise DatabaseUnavailable(f"the database is {state}", state=state)


def _run_in(threads: CpuPool, unit: Callable[[], T]) -> T:
    """Run a unit of work on SQLite. While another process writes, a greenlet waits outside of the thread, for others."""
    end = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            return threads.run(unit, pixels=0)
        except OperationalError as err:
            if not (threads.is_native and _is_busy(err) and time.monotonic() < end):
                raise
        time.sleep(random.uniform(*_BUSY_PAUSES))  # noqa: S311 - so that several that wait do not come together


def engine_url(url: str) -> URL:
    """Name the driver. `postgres://`, as many hosts write it, is PostgreSQL too."""
    parsed = make_url(url)
    if parsed.get_backend_name() in ("postgres", "postgresql"):
        return parsed.set(drivername="postgresql+psycopg")
    return parsed.set(drivername="sqlite+pysqlite")


def file_of(url: URL) -> Path | None:
    """Return the file of SQLite; None for PostgreSQL."""
    return Path(url.database).absolute() if url.get_backend_name() == "sqlite" and url.database else None


def make_engine(url: URL, *, migrating: bool = False, busy_seconds: float = _BUSY_SECONDS) -> Engine:
    """Make an engine. A migration may take long, and SQLite must check no foreign keys while it rebuilds tables.

    SQLite waits up to `busy_seconds` for other processes that write.
    """
    if url.get_backend_name() != "sqlite":
        usual = _POSTGRESQL | ({} if migrating else {"options": _LIMITS})
        given = {name: value for name, value in usual.items() if name not in url.query}
        return create_engine(
            url,
            connect_args=given,
            hide_parameters=True,
            pool_pre_ping=True,
            pool_size=_POOL,
            max_overflow=0,
            pool_timeout=_WAIT_SECONDS,
        )
    # A connection is a file that is opened in a tenth of a millisecond, and belongs to the thread that uses it.
    engine = create_engine(url, poolclass=NullPool, hide_parameters=True, connect_args={"timeout": busy_seconds})

    @event.listens_for(engine, "do_connect")
    def require_file(_dialect: object, _record: object, _args: object, _options: object) -> None:
        """SQLite would make an empty catalogue of a misspelt path. Only a migration makes one, and says so."""
        file = file_of(url)
        if file and not file.exists():
            raise _NoFile(errno.ENOENT, "there is no such file", str(file))

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # SQLAlchemy begins transactions, also before the first write
        connection.execute(f"PRAGMA foreign_keys={'OFF' if migrating else 'ON'}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A transaction that begins to read and writes later cannot wait for another writer.
        writes = connection.get_execution_options().get("writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def revision_of(connection: Connection) -> str | None:
    """Return the revision of the tables, None if there are none."""
    if not connection.dialect.has_table(connection, "alembic_version"):
        return None
    found = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return None if found is None else str(found)


def _is_busy(err: DBAPIError) -> bool:
    return getattr(err.orig, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY  # the rest says why


def _is_deadlock(err: BaseException | None) -> bool:
    return isinstance(err, DBAPIError) and getattr(err.orig, "sqlstate", None) == _DEADLOCK_DETECTED


def _unavailable(err: Exception) -> DatabaseUnavailable:
    cause = err.orig if isinstance(err, DBAPIError) else err
    # The first line names what failed; the rest may hold SQL.
    reason = str(cause).partition("\n")[0][:200]
    metrics.DATABASE_ERRORS.add()
    _log.warning("database_unavailable", error=type(cause).__name__, reason=reason)
    state = MISSING if isinstance(err, _NoFile) else UNREACHABLE
    return DatabaseUnavailable("the database is not available; nothing was changed, try again later", state=state)
