"""Sessions of admins. The database decides how long one lasts, whatever a browser keeps."""

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, delete
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from sites.database import Database
from sites.models import AdminSessionRow, UsedLinkRow

IDLE = timedelta(hours=12)  # a session that is not used for so long has ended
LONGEST = timedelta(days=7)
_TOUCH = timedelta(minutes=1)  # how exactly the last use is known: a page costs no write each time


@dataclass(frozen=True, slots=True)
class AdminSession:
    """The session of `who`, who logged in from the address `client`."""

    who: str
    client: str
    started_at: datetime


class AdminSessions:
    """Every method raises DatabaseUnavailable."""

    def __init__(self, database: Database, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._database = database
        self._now = now

    def begin(self, who: str, client: str) -> str:
        """Begin a session and return its token. The database keeps the hash alone. Sessions that have ended are removed."""
        token, now = secrets.token_urlsafe(32), self._now()

        def work(session: Session) -> None:
            session.execute(delete(AdminSessionRow).where(_has_ended(now)))
            session.execute(delete(UsedLinkRow).where(UsedLinkRow.expires_at < now))
            session.add(AdminSessionRow(digest=_digest(token), who=who, client=client, started_at=now, seen_at=now))

        self._database.write(work)
        return token

    def find(self, token: str) -> AdminSession | None:
        """Return a session that has not ended, and note that it is used."""
        digest, now = _digest(token), self._now()
        row = self._database.read(lambda session: session.get(AdminSessionRow, digest))
        if row is None or row.seen_at < now - IDLE or row.started_at < now - LONGEST:
            return None
        if row.seen_at < now - _TOUCH:
            self._database.write(lambda session: _touch(session, digest, now))
        return AdminSession(row.who, row.client, row.started_at)

    def end(self, token: str) -> None:
        digest = _digest(token)
        self._database.write(
            lambda session: session.execute(delete(AdminSessionRow).where(AdminSessionRow.digest == digest))
        )

    def end_all(self) -> None:
        self._database.write(lambda session: session.execute(delete(AdminSessionRow)))

    def use_link(self, nonce: str, seconds: int) -> bool:
        """Return whether a link is used for the first time. It is remembered for `seconds`, after which it has expired."""
        row = UsedLinkRow(digest=_digest(nonce), expires_at=self._now() + timedelta(seconds=seconds))
        try:
            self._database.write(lambda session: session.add(row))
        except IntegrityError:
            return False
        return True


def _has_ended(now: datetime) -> ColumnElement[bool]:
    return (AdminSessionRow.seen_at < now - IDLE) | (AdminSessionRow.started_at < now - LONGEST)


def _touch(session: Session, digest: str, now: datetime) -> None:
    row = session.get(AdminSessionRow, digest)
    if row is not None:
        row.seen_at = now


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode(errors="surrogateescape")).hexdigest()
