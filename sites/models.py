"""The tables of the catalogue, private to `sites`. Others see the frozen values of `sites.values`.

A change here needs a migration: a test compares both.
"""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import JSON, DateTime, Dialect, ForeignKey, Index, Text, TypeDecorator, UniqueConstraint, func
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


class UtcDateTime(TypeDecorator[datetime]):
    """An aware time, stored in UTC. SQLite has no time zones, so it keeps the digits alone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if dialect.name == "sqlite" else value.astimezone(UTC)


class Base(DeclarativeBase):
    type_annotation_map = {str: Text, datetime: UtcDateTime, Mapping[str, str]: JSON}  # noqa: RUF012 - SQLAlchemy's form


class SiteRow(Base):
    __tablename__ = "sites"

    id: Mapped[int] = mapped_column(primary_key=True)
    url: Mapped[str]
    # A URL may be longer than the entry of a PostgreSQL index, so its hash is what is unique.
    url_digest: Mapped[str]
    host: Mapped[str] = mapped_column(index=True)
    title: Mapped[str]
    sort_title: Mapped[str]  # both are casefolded: SQLite folds ASCII alone
    search_text: Mapped[str]
    note: Mapped[str]
    options: Mapped[Mapping[str, str]]
    schedule: Mapped[str]
    keep: Mapped[str]
    paused: Mapped[bool]
    status: Mapped[str]
    failure_code: Mapped[str | None]
    failure_message: Mapped[str | None]
    failure_since: Mapped[datetime | None]
    failure_count: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    captured_at: Mapped[datetime | None]
    changed_at: Mapped[datetime | None]
    due_at: Mapped[datetime | None] = mapped_column(index=True)
    claimed_at: Mapped[datetime | None]  # first, for the capture that is due: its claim ends at `due_at`
    starts: Mapped[int] = mapped_column(
        default=0, server_default="0"
    )  # captures that have begun since the last outcome
    latest_number: Mapped[int | None]  # of the last version that was captured
    picture_number: Mapped[int | None]  # of the version to show
    pinned: Mapped[bool] = mapped_column(default=False)
    uploaded: Mapped[bool] = mapped_column(default=False)
    revision: Mapped[int] = mapped_column(default=1)

    tags: Mapped[list["SiteTag"]] = relationship(
        cascade="all, delete-orphan", passive_deletes=True, lazy="selectin", order_by="SiteTag.tag"
    )

    __table_args__ = (
        UniqueConstraint("url_digest", name="uq_sites_url_digest"),
        Index("ix_sites_sort_title", "sort_title", "id"),
        Index("ix_sites_created", "created_at", "id"),
        # Without it, SQLite would give the id of the last site that was removed to the next one, and caches its picture.
        {"sqlite_autoincrement": True},
    )


# By the last change, and for a site that was never captured by when it was added.
LAST_CHANGED = func.coalesce(SiteRow.changed_at, SiteRow.created_at)
Index("ix_sites_changed", LAST_CHANGED, SiteRow.id)


class SiteTag(Base):
    __tablename__ = "site_tags"

    tag: Mapped[str] = mapped_column(primary_key=True)
    site_id: Mapped[int] = mapped_column(ForeignKey("sites.id", ondelete="CASCADE"), primary_key=True, index=True)


class VersionRow(Base):
    __tablename__ = "versions"

    id: Mapped[int] = mapped_column(primary_key=True)
    site_id: Mapped[int] = mapped_column(ForeignKey("sites.id", ondelete="CASCADE"))
    number: Mapped[int]
    key: Mapped[str] = mapped_column(index=True)
    content_type: Mapped[str]
    width: Mapped[int]
    height: Mapped[int]
    size: Mapped[int]
    captured_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    change: Mapped[float] = mapped_column(default=0.0)
    region_left: Mapped[int | None]
    region_top: Mapped[int | None]
    region_width: Mapped[int | None]
    region_height: Mapped[int | None]
    colour: Mapped[str] = mapped_column(default="")
    uploaded: Mapped[bool] = mapped_column(default=False)
    captured_by: Mapped[str] = mapped_column(default="", server_default="")

    __table_args__ = (UniqueConstraint("site_id", "number", name="uq_versions_number"),)


class RemovedPicture(Base):
    """A picture in the storage that no version needs, or that is about to become one, since `at`.

    A sweep notes `removing_at` before it removes the picture from the storage.
    """

    __tablename__ = "removed_pictures"

    key: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(index=True)
    removing_at: Mapped[datetime | None]


class SiteEventRow(Base):
    """A message about a capture that the queue of webhooks may not have yet."""

    __tablename__ = "site_events"

    id: Mapped[str] = mapped_column(primary_key=True)
    body: Mapped[str]
    at: Mapped[datetime] = mapped_column(index=True)


class AdminSessionRow(Base):
    __tablename__ = "admin_sessions"

    digest: Mapped[str] = mapped_column(primary_key=True)  # of the token, which only the browser has
    who: Mapped[str]
    client: Mapped[str]
    started_at: Mapped[datetime]
    seen_at: Mapped[datetime]


class UsedLinkRow(Base):
    __tablename__ = "admin_links"

    digest: Mapped[str] = mapped_column(primary_key=True)
    expires_at: Mapped[datetime]


class AuditRow(Base):
    __tablename__ = "audit"

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(index=True)
    who: Mapped[str]
    client: Mapped[str]
    action: Mapped[str]
    subject: Mapped[str]
    detail: Mapped[str]

    __table_args__ = ({"sqlite_autoincrement": True},)


def digest_of(url: str) -> str:
    return hashlib.sha256(url.encode()).hexdigest()


def derived(url: str, title: str, note: str, tags: tuple[str, ...]) -> dict[str, Any]:
    """Return the columns that follow from others: by which a site is found and sorted."""
    host = urlsplit(url).hostname or ""
    return {
        "url_digest": digest_of(url),
        "host": host,
        "sort_title": (title or host.removeprefix("www.")).casefold()[:200],
        "search_text": "\n".join((title, url, note, *tags)).casefold(),
    }
