"""What a dialect is: another service's way to ask for pictures, as a value. Pure."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from metadata import Metadata
from model import ThumbnailRequest
from thumbnails import Served
from web.dialects.credentials import Credentials
from web.dialects.rules import Rule
from web.http.thumb_paths import Presenter


class AnswerKind(Enum):
    """What the caller wants: a picture, or something that is told about it."""

    PICTURE = "picture"
    JSON = "json"  # an object that names the picture's address
    ICON = "icon"  # the icon of the page
    STATE = "state"  # whether the picture is there
    WAITING = "waiting"  # the picture that is shown while another one is made
    USAGE = "usage"  # what is left of the budget
    NOTHING = "nothing"  # an empty answer, once the picture is there


@dataclass(frozen=True, slots=True)
class Spoken:
    """What an address says, in the words of its dialect. `target` is the page's URL as the caller means it."""

    target: str
    words: Mapping[str, str] = field(default_factory=dict)
    wish: AnswerKind = AnswerKind.PICTURE
    credentials: Credentials = field(default_factory=Credentials)


# Reads an address, from its path and query as they were sent. None if the service has no such address.
Address = Callable[[str, str], Spoken | None]


@dataclass(frozen=True, slots=True)
class Told:
    """What an object can tell: of a picture, unless none was asked for, and of its page, if that was.

    `link` is the picture's address, "" for a private one.
    """

    spoken: Spoken
    wanted: ThumbnailRequest
    link: str
    served: Served | None
    page: Metadata | None = None


Values = dict[str, Any]


@dataclass(frozen=True, slots=True)
class InboundDialect:
    """One service's way to ask.

    `paths` match the paths that are its own, decoded, and `routes` are the same for Flask. `finish` adds what several options
    mean together; it may look at the words. `keyed` says that its callers send a key: they need one where keys are set.
    `waits` is how long a caller waits for a capture: seconds, or None until it ends. `posts` reads the options of a body, `tell` writes the object about a
    picture.
    """

    name: str
    paths: re.Pattern[str]
    routes: tuple[str, ...]
    address: Address
    table: Mapping[str, Rule]
    defaults: Mapping[str, object] = field(default_factory=dict)
    finish: Callable[[Values, Mapping[str, str]], None] = lambda _values, _words: None
    face: Presenter | None = None
    keyed: bool = False
    waits: int | None = None
    posts: Callable[[Mapping[str, str]], Spoken] | None = None
    tell: Callable[[Told], Mapping[str, object]] = lambda _told: {}
    lists: frozenset[str] = frozenset()  # options of a body that are lists of selectors
