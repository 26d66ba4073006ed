"""What commands share: settings, services, and how results are printed."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import BinaryIO, TypeVar

import click

import config
import logs
import services as composition
from config import Settings
from services import Services

T = TypeVar("T")

RUNNING = Path(
    "data/run.env"
)  # written by `make run`: how to find the Redis servers and the engine that it has started


class Console:
    """Prints for a person, or JSON for a program. Opens no connection before a command asks for one."""

    def __init__(self) -> None:
        self.as_json = False

    @classmethod
    @contextmanager
    def opened(cls) -> "Iterator[Console]":
        logs.configure("console" if sys.stderr.isatty() else "json", "WARNING")
        console = cls()
        try:
            yield console
        finally:
            if "services" in console.__dict__:
                console.services.close()

    @cached_property
    def settings(self) -> Settings:
        """Read the settings. Ends the command if one is invalid."""
        try:
            return config.load(RUNNING)
        except config.ConfigError as err:
            raise click.ClickException(str(err)) from None

    @cached_property
    def services(self) -> Services:
        return composition.build(self.settings)

    def show(self, facts: object, words: str, *, err: bool = False) -> None:
        """Print `words`, or `facts` as JSON; where `err`, on standard error."""
        click.echo(json.dumps(facts, default=str, ensure_ascii=False) if self.as_json else words, err=err)

    @staticmethod
    def output() -> BinaryIO:
        """Return standard output, for a file. Ends the command if that is a terminal."""
        if sys.stdout.buffer.isatty():
            raise click.ClickException("a terminal shows no such file; add > and its name")
        return sys.stdout.buffer

    @contextmanager
    def counter(self, length: int, label: str) -> Iterator[Callable[[int], None]]:
        """Yield what is told how much is done: it moves a bar on a terminal, and writes a line to a log."""
        if not sys.stderr.isatty() or self.as_json:
            yield lambda done: click.echo(f"done: {done:,}", err=True)
            return
        with click.progressbar(length=length, label=label, file=sys.stderr) as bar:
            yield lambda done: bar.update(done - bar.pos)

    @contextmanager
    def progress(self, items: Iterable[T], label: str, length: int | None = None) -> Iterator[Iterable[T]]:
        """Yield `items`, with a progress bar on standard error if that is a terminal."""
        if not sys.stderr.isatty() or self.as_json:
            yield items
            return
        with click.progressbar(items, length=length, label=label, file=sys.stderr) as shown:
            yield shown
