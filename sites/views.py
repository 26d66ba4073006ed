"""Sites with the schedule `viewed` are captured as people look: a view of an old picture makes its site due.

Views are noted in the process and looked up in the database every few seconds, so a hit costs an entry of a set and no SQL.
A killed process, or a database that is unreachable, loses some views. The next view does as well.
"""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from sqlalchemy import or_, select, update

from errors import DatabaseUnavailable
from sites.database import Database
from sites.models import SiteRow
from sites.schedules import VIEWED

FLUSH_SECONDS = 5.0
MOST = 1000  # sites noted in a process between two looks
RETRY_SECONDS = 3600  # of a site whose captures fail, in each process
_MOST_MADE = 10_000


class SiteViews:
    def __init__(
        self, database: Database, max_age: timedelta, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        """A picture that is older than `max_age` is captured again when it is viewed."""
        self._database = database
        self._max_age = max_age
        self._now = now
        self._lock = threading.Lock()
        self._viewed: set[int] = set()
        self._made: dict[int, float] = {}  # when this process made sites due
        self._flusher: threading.Thread | None = None

    def note(self, site_id: int) -> None:
        """Note a view of a site's picture. Called on every hit: must stay cheap."""
        if site_id in self._viewed or len(self._viewed) >= MOST:
            return
        with self._lock:
            self._viewed.add(site_id)
            if self._flusher is not None:
                return
            self._flusher = threading.Thread(target=self._flush_repeatedly, name="site-views", daemon=True)
        try:
            self._flusher.start()
        except RuntimeError:  # the machine has no thread left; the next view retries
            self._flusher = None

    def flush(self) -> int:
        """Make the sites due that were viewed and have an old picture. Return their number."""
        with self._lock:
            viewed, self._viewed = self._viewed, set()
        try:
            return self._make_due(viewed) if viewed else 0
        except DatabaseUnavailable:
            return 0  # already logged

    def _make_due(self, viewed: set[int]) -> int:
        began, now = time.monotonic(), self._now()
        viewed = {id_ for id_ in viewed if began - self._made.get(id_, -RETRY_SECONDS) >= RETRY_SECONDS}
        old = or_(SiteRow.captured_at.is_(None), SiteRow.captured_at < now - self._max_age)
        wanted = SiteRow.id.in_(viewed), SiteRow.schedule == VIEWED, SiteRow.due_at.is_(None), old
        # Nearly always there are none, and then no other writer must wait.
        found = self._database.read(lambda session: session.scalars(select(SiteRow.id).where(*wanted)).all())
        if not found:
            return 0
        if len(self._made) + len(found) > _MOST_MADE:
            self._made.clear()
        self._made |= dict.fromkeys(found, began)
        change = update(SiteRow).where(SiteRow.id.in_(found), *wanted[1:]).values(due_at=now)
        return int(self._database.write(lambda session: session.execute(change).rowcount))  # type: ignore[attr-defined]

    def _flush_repeatedly(self) -> None:
        """Flush every few seconds; end when no site was viewed since."""
        while True:
            time.sleep(FLUSH_SECONDS)
            with self._lock:
                if not self._viewed:
                    self._flusher = None
                    return
            self.flush()
