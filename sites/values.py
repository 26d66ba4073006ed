"""The frozen values of the catalogue: sites, their versions, and pages of them. No I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal, NamedTuple

Sort = Literal["changed", "title", "added"]


class Status(StrEnum):
    """What became of the last capture: none yet, a picture, or a failure."""

    PENDING = "pending"
    READY = "ready"
    FAILED = "failed"


class Region(NamedTuple):
    """A part of a picture, in its pixels."""

    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Failure:
    """Why captures fail: the last error's code and public text, since when, and how many times in a row."""

    code: str
    message: str
    since: datetime
    count: int


@dataclass(frozen=True, slots=True)
class Version:
    """How a site looked from `captured_at` until `seen_at`, the last capture that looked the same.

    Numbers count from 1. `change` is the share of the picture that differs from the version before, in percent, and
    `region` where. `size` is in bytes; `colour`, "#rrggbb", is the mean of the picture. `captured_by` names the screenshot
    API that took it, "" for an uploaded picture, and for one of before this was noted.
    """

    site_id: int
    number: int
    key: str
    content_type: str
    width: int
    height: int
    size: int
    captured_at: datetime
    seen_at: datetime
    change: float = 0.0
    region: Region | None = None
    colour: str = ""
    uploaded: bool = False
    captured_by: str = ""


@dataclass(frozen=True, slots=True)
class SiteDraft:
    """What a person or a program says about a site. Its URL, in normal form, and its options have been validated.

    `options` are those of the capture that differ from their defaults, as text, in the form that a query has.
    """

    url: str
    title: str = ""
    note: str = ""
    tags: tuple[str, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)
    schedule: str = "daily"
    keep: str = "30 versions"
    paused: bool = False


@dataclass(frozen=True, slots=True)
class Site:
    """A site of the catalogue. `revision` counts edits, so that two editors do not overwrite each other.

    `picture` is the version to show: the last good one, or the one that is `pinned` or was `uploaded` in its place.
    `due_at` is when the next capture is due, None for never. `updated_at` is when the entry was last edited.
    """

    id: int
    url: str
    title: str
    note: str
    tags: tuple[str, ...]
    options: Mapping[str, str]
    schedule: str
    keep: str
    paused: bool
    status: Status
    failure: Failure | None
    created_at: datetime
    updated_at: datetime
    captured_at: datetime | None
    changed_at: datetime | None
    due_at: datetime | None
    picture: Version | None
    pinned: bool
    uploaded: bool
    revision: int


@dataclass(frozen=True, slots=True)
class Filters:
    """Which sites to find, in which order, and which page of them: `cursor` is one that a page named.

    A site has all of `tags`. `text` is looked for in title, URL and tags, and in notes where they may be shown.
    """

    status: Status | None = None
    tags: tuple[str, ...] = ()
    text: str = ""
    in_notes: bool = True
    changed_since: datetime | None = None
    host: str | None = None
    sort: Sort = "changed"
    cursor: str = ""
    limit: int = 24


@dataclass(frozen=True, slots=True)
class SitePage:
    """A page of sites, the cursors of its neighbours, and how many sites the filters match in all."""

    sites: tuple[Site, ...]
    next: str | None
    previous: str | None
    total: int | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    total: int = 0
    pending: int = 0
    ready: int = 0
    failed: int = 0
    paused: int = 0
    due: int = 0
