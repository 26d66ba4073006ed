"""What the front door shows: the result of a form, what is wrong with it, and the code. Knows no HTTP."""

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from functools import cached_property

from errors import Pending, ThumbnailError
from model import Picture, ThumbnailRequest
from options import NOTES, Notes
from thumbnails import Served
from web.ui.controls import URL, OptionControl, OptionControls, Pairs, plain
from web.ui.snippets import Snippet, Subject, query_of, snippets
from web.ui.wording import sentence, sentence_about

KEY, WAITING = "key", "waiting"  # the fields of a person's key, and of what has been waited for
_LONGEST_WAIT = 600  # seconds
_LONGEST_TIME = 16  # digits


@dataclass(frozen=True, slots=True)
class ShownPart:
    """Where a picture lies on the page: its top left corner, and how many CSS pixels each of its pixels covers."""

    x: float
    y: float
    per_pixel: float

    @classmethod
    def of(cls, wanted: ThumbnailRequest, picture: Picture) -> "ShownPart | None":
        """Find it, if it can be told: the place of an element is not known here, nor how high a whole page is."""
        options, rendition = wanted.capture, wanted.rendition
        if options.selector or options.image != "screenshot" or not picture.width:
            return None
        x, y, width, height = options.clip or (0, 0, options.width, options.height)
        if not (rendition.w and rendition.h) or rendition.fit == "inside":
            return cls(x, y, width / picture.width)
        across, down = rendition.w / width, rendition.h / height
        unknown_height = options.full_page and not options.clip
        if rendition.fit == "contain" or (unknown_height and across < down):
            return None
        enlarged = max(across, down)
        return cls(x + (width - rendition.w / enlarged) / 2, y, 1 / enlarged)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A person waits for the picture of `query`, since a Unix time, and has paid for its capture, or not.

    The form of a page that waits holds it, and sends it back: what is shown in the end is for the whole wait.
    """

    query: str
    since: float
    paid: bool = False

    @classmethod
    def read(cls, text: str, query: str, now: float) -> "Waiting":
        """Read the field. What is not about `query`, or cannot be true, begins now."""
        since, _, rest = text.partition(" ")
        paid, _, about = rest.partition(" ")
        whole = since.isascii() and since.isdecimal() and len(since) < _LONGEST_TIME
        began = int(since) / 1000 if whole else 0
        if about == query and 0 <= now - began < _LONGEST_WAIT:
            return cls(query, began, paid == "paid")
        return cls(query, now)


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a form: a picture, or an error; and what that has cost, by the `RateLimit-*` headers.

    `more_errors` are those of other fields. `waiting` says since when a person waits, and whether the capture was paid by
    a form before. Nobody has `asked` for the picture of a link yet.
    """

    wanted: ThumbnailRequest | None = None
    served: Served | None = None
    error: ThumbnailError | None = None
    more_errors: tuple[ThumbnailError, ...] = ()
    costs: dict[str, str] = field(default_factory=dict)
    milliseconds: int = 0
    waiting: Waiting | None = None
    asked: bool = True

    @property
    def state(self) -> str:
        if self.served is not None:
            return "ready"
        if self.error is None or not self.asked:
            return "nothing"
        return "pending" if isinstance(self.error, Pending) else "failed"

    @property
    def paid(self) -> bool:
        return bool(self.costs) or (self.waiting is not None and self.waiting.paid)

    @property
    def waited(self) -> str:
        """What the field of a form that waits holds, see `Waiting.read`."""
        if self.waiting is None:
            return ""
        return f"{self.waiting.since * 1000:.0f} {'paid' if self.paid else '-'} {self.waiting.query}"

    @property
    def region(self) -> ShownPart | None:
        return ShownPart.of(self.wanted, self.served.picture) if self.wanted and self.served else None


@dataclass(frozen=True)
class Door:
    """All that the page shows. `picture` is its path, as the page itself asks for it; `tab` the code that is open."""

    controls: OptionControls
    chosen: Pairs
    result: Result
    subject: Subject
    picture: str
    restricted: bool
    tab: str

    @property
    def values(self) -> dict[str, str]:
        return dict(self.chosen)

    @property
    def query(self) -> str:
        """The options as they are in the address of this page."""
        return query_of(self.chosen)

    @property
    def wrong(self) -> dict[str, str]:
        """What is wrong with the fields of the form, by their names."""
        labels = {URL: "The address", KEY: "The key", **{each.name: each.label for each in self.controls.all}}
        errors = (error for error in (self.result.error, *self.result.more_errors) if error)
        named = [(name, error.reason) for error in errors for name in error.field.split(", ")]
        return {name: sentence_about(labels[name], reason) for name, reason in named if name in labels}

    @property
    def problem(self) -> str:
        """What went wrong, as a sentence."""
        return sentence(self.result.error.detail) if self.result.error else ""

    @property
    def notes(self) -> list[str]:
        """What the picture does not show, or shows instead, as sentences."""
        notes = self.result.served.picture.notes if self.result.served else Notes()
        values = ((name, attribute, getattr(notes, attribute)) for name, attribute in NOTES.items())
        return [f"{name}={value}: {_meaning(attribute)}" for name, attribute, value in values if value]

    @cached_property
    def snippets(self) -> tuple[Snippet, ...]:
        """The code, unless it would not work yet: a signature is made for a person with a key."""
        unsigned = self.subject.access.signing_keys and not self.result.served
        return () if unsigned or self.wrong else snippets(self.subject)

    def opens(self, controls: Iterable[OptionControl]) -> bool:
        """Return whether a group is unfolded: something in it is chosen, or wrong."""
        return any(each.name in self.values or each.name in self.wrong for each in controls)


_MEANINGS = {each.name: plain(each.metadata["meaning"]) for each in fields(Notes)}


def _meaning(attribute: str) -> str:
    """Say what a note means where it is there: the docs say of a flag that it is 1 if something is so."""
    return sentence(_MEANINGS[attribute].removeprefix("1 if ").removesuffix("."))
