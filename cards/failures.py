"""What can be wrong: with a template, which its author mends, and with the data of a card, which its caller mends."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


class BrokenTemplate(Exception):
    """A template cannot be used. The text names the file and the line, for the operator who starts the service."""

    def __init__(self, file: Path, line: int, reason: str) -> None:
        super().__init__(f"{file}:{line}: {reason}")
        self.file, self.line, self.reason = file, line, reason


@dataclass(frozen=True, slots=True)
class BadVariable:
    """Why the value of one variable is refused: `reason` says what is valid, and never repeats the value."""

    name: str
    reason: str

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"


class CardError(Exception):
    """The data of a card are refused. All that is wrong is listed, so that one request tells everything."""

    def __init__(
        self, *, unknown: Iterable[str] = (), missing: Iterable[str] = (), bad: Iterable[BadVariable] = ()
    ) -> None:
        self.unknown, self.missing, self.bad = tuple(unknown), tuple(missing), tuple(bad)
        super().__init__(self._text())

    def _text(self) -> str:
        parts = [f"missing: {', '.join(self.missing)}"] if self.missing else []
        parts += [f"unknown: {', '.join(self.unknown)}"] if self.unknown else []
        return "; ".join([*map(str, self.bad), *parts])

    @property
    def field(self) -> str:
        """The variable that is wrong, if it is only one; "" otherwise."""
        names = {*self.unknown, *self.missing, *(each.name for each in self.bad)}
        return names.pop() if len(names) == 1 else ""

    @property
    def reason(self) -> str:
        """What is wrong, without the name of the variable where `field` has it."""
        if not self.field:
            return str(self)
        return self.bad[0].reason if self.bad else "is missing" if self.missing else "is unknown"


class UnknownTemplate(CardError):
    """There is no template of this name. `known` lists those that there are."""

    def __init__(self, known: Iterable[str]) -> None:
        self.known = tuple(known)
        super().__init__(bad=[BadVariable("template", f"must be one of {', '.join(self.known)}")])


class OutdatedCard(CardError):
    """The name of a card belongs to another version of its template, which this process does not have."""

    def __init__(self) -> None:
        super().__init__(bad=[BadVariable("template", "has changed since this card was named; name the card again")])
