"""The catalogue as lines of JSON, a table after the other: for a backup, and for a move to another database.

Sessions of admins are left out. A backup of older tables can be restored: columns that it lacks get their default.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Integer, Table, delete, func, insert, select, text
from sqlalchemy.orm import Session

from sites.database import Database, known_revisions
from sites.models import AdminSessionRow, Base, SiteRow, UsedLinkRow, UtcDateTime

_LEFT_OUT = {AdminSessionRow.__tablename__, UsedLinkRow.__tablename__}
_AT_A_TIME = 500


class NotRestored(Exception):
    """The backup cannot be restored here. The text says why, and what to do."""


@dataclass(frozen=True, slots=True)
class DumpedRow:
    table: str
    values: Mapping[str, Any]


Sink = Callable[[DumpedRow], object]


def tables() -> list[Table]:
    """Return the tables of a backup; those that others refer to come first."""
    return [table for table in Base.metadata.sorted_tables if table.name not in _LEFT_OUT]


class CatalogueBackup:
    def __init__(self, database: Database) -> None:
        self._database = database

    @property
    def revision(self) -> str:
        """The newest revision of the tables that this version of the service knows."""
        return known_revisions()[-1]

    def count(self) -> dict[str, int]:
        """Return how many rows each table has. Raises DatabaseUnavailable."""
        return self._database.read(
            lambda session: {
                table.name: session.scalar(select(func.count()).select_from(table)) or 0 for table in tables()
            }
        )

    def dump(self, write: Sink) -> None:
        """Call `write` with each row, as the tables were at one moment. Raises DatabaseUnavailable."""
        self._database.read(lambda _: None)  # judges the tables' revision, in a transaction of its own
        self._database.read(lambda session: _dump(session, write))

    def site_ids(self) -> list[int]:
        """Return the numbers of all sites. Raises DatabaseUnavailable."""
        return self._database.read(lambda session: [*session.scalars(select(SiteRow.id).order_by(SiteRow.id))])

    def require_restorable(self, revision: str, *, replace: bool = False) -> None:
        """Raise NotRestored if a backup of `revision` cannot be restored here at all, or DatabaseUnavailable."""
        if revision not in known_revisions():
            raise NotRestored(
                f"the backup is of a newer version of the service (revision {revision}); run that version, then restore"
            )
        if not replace:
            self._database.read(lambda session: _require_all_empty(session.connection()))

    def restore(self, rows: Iterable[DumpedRow], revision: str, *, replace: bool = False) -> dict[str, int]:
        """Write the rows of a backup, all or none, and return how many each table got.

        Without `replace`, the catalogue must be empty. Raises NotRestored or DatabaseUnavailable.
        """
        self.require_restorable(revision, replace=replace)
        return self._database.write(lambda session: _restore(session, rows, replace=replace))


def _dump(session: Session, write: Sink) -> None:
    connection = session.connection()
    if connection.dialect.name == "postgresql":  # each statement would see the tables of its own moment
        connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
    for table in tables():
        key = [*table.primary_key.columns]
        for row in connection.execute(select(table).order_by(*key).execution_options(yield_per=_AT_A_TIME)):
            write(DumpedRow(table.name, row._asdict()))


def _restore(session: Session, rows: Iterable[DumpedRow], *, replace: bool) -> dict[str, int]:
    connection, known = session.connection(), {table.name: table for table in tables()}
    for table in reversed(tables()):
        if replace:
            connection.execute(delete(table))
        else:
            _require_empty(connection, table)
    counts = dict.fromkeys(known, 0)
    for name, some in _by_table(rows):
        if name not in known:
            raise NotRestored(f"the backup has a table {name}, which this version does not know")
        connection.execute(insert(known[name]), [_decoded(known[name], each.values) for each in some])
        counts[name] += len(some)
    _continue_numbers(connection, known.values())
    return counts


def _require_empty(connection: Connection, table: Table) -> None:
    if connection.scalar(select(func.count()).select_from(table)):
        raise NotRestored(f"the catalogue is not empty (table {table.name}); --replace removes what is there")


def _require_all_empty(connection: Connection) -> None:
    for table in tables():
        _require_empty(connection, table)


def _by_table(rows: Iterable[DumpedRow]) -> Iterator[tuple[str, list[DumpedRow]]]:
    """Yield rows in portions of one table each."""
    portion: list[DumpedRow] = []
    for row in rows:
        if portion and (portion[0].table != row.table or len(portion) == _AT_A_TIME):
            yield portion[0].table, portion
            portion = []
        portion.append(row)
    if portion:
        yield portion[0].table, portion


def _continue_numbers(connection: Connection, restored: Iterable[Table]) -> None:
    """Let PostgreSQL number new rows after those that were restored with their numbers. SQLite does so by itself."""
    if connection.dialect.name != "postgresql":
        return
    for table in restored:
        for column in table.primary_key.columns:
            if len(table.primary_key.columns) == 1 and isinstance(column.type, Integer) and column.autoincrement:
                highest = connection.scalar(select(func.max(column)))
                sequence = connection.scalar(
                    text("SELECT pg_get_serial_sequence(:t, :c)"), {"t": table.name, "c": column.name}
                )
                if highest is not None and sequence:
                    connection.execute(text("SELECT setval(:s, :n)"), {"s": sequence, "n": highest})


def encode(row: DumpedRow) -> bytes:
    """Write a row as a line of JSON."""
    values = {name: value.isoformat() if isinstance(value, datetime) else value for name, value in row.values.items()}
    return json.dumps({"table": row.table, "row": values}, ensure_ascii=False).encode() + b"\n"


def decode(line: bytes) -> DumpedRow:
    """Read what `encode` wrote. Raises NotRestored."""
    try:
        record = json.loads(line)
        return DumpedRow(str(record["table"]), dict(record["row"]))
    except (ValueError, KeyError, TypeError):
        raise NotRestored("the backup is damaged: a line is no row") from None


def _decoded(table: Table, values: Mapping[str, Any]) -> dict[str, Any]:
    unknown = values.keys() - table.columns.keys()
    if unknown:
        raise NotRestored(f"the backup has a column {table.name}.{min(unknown)}, which this version does not know")
    return {name: _typed(table, name, value) for name, value in values.items()}


def _typed(table: Table, name: str, value: Any) -> Any:
    if value is None or not isinstance(table.columns[name].type, UtcDateTime):
        return value
    try:
        return datetime.fromisoformat(value)
    except (ValueError, TypeError):
        raise NotRestored(f"the backup is damaged: {table.name}.{name} is no time") from None
