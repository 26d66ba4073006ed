"""`thumbnails cards`: pictures of a static site's pages, made from their front matter before the site is published."""

import base64
import json
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import click

from cards import LONGEST_PICTURE, CardData, CardError, Template, UnknownTemplate
from cli.console import Console
from cli.front_matter import BadFrontMatter, read_front_matter, text_of
from errors import ThumbnailError
from jobs import new_id
from options import FORMATS, Delivery, Rendition
from thumbnails import Ask, CacheState, NoCharge, Served, card_request

CLIENT = "command line"
NOTES = ".cards.json"  # in the folder of the pictures: which card each file shows
_ENDINGS = (".md", ".mdx", ".markdown")  # of pages in a folder
_AT_ONCE = 4
# Where a variable is found unless --map names the field: the fields of the four generators' own themes.
_FIELDS: Mapping[str, tuple[str, ...]] = {
    "title": ("title", "headline"),
    "name": ("name", "title"),
    "quote": ("quote", "title"),
    "repo": ("repo", "title"),
    "description": ("description", "summary", "excerpt", "subtitle"),
    "tagline": ("tagline", "description", "summary"),
    "author": ("author", "authors"),
    "date": ("date", "pubDate", "publishDate", "pubDatetime"),
    "tag": ("tag", "category", "categories", "tags"),
    "lang": ("lang", "language", "locale"),
}
_FIRST = ("tag",)  # variables that show the first of a list
# Fields of these names mean something else in a page, so only `card:` and --set speak to these variables.
_OWN = ("theme", "accent", "background")
_PICTURES = {
    ".png": "png",
    ".jpg": "jpeg",
    ".jpeg": "jpeg",
    ".webp": "webp",
    ".gif": "gif",
    ".avif": "avif",
    ".svg": "svg+xml",
}
_MOST_BYTES = LONGEST_PICTURE // 4 * 3 - 60  # of a picture, which a card holds in base64


@dataclass(frozen=True, slots=True)
class _Page:
    """A page, and the file of its card below the folder of all."""

    source: Path
    name: str


@dataclass(frozen=True, slots=True)
class _Problem:
    """What is wrong with a page: the field as the page has it, "" for the whole page, and what to do."""

    field: str
    reason: str

    def __str__(self) -> str:
        return f"{self.field}: {self.reason}" if self.field else self.reason


class _Refused(Exception):
    """A page has no card because of these problems."""

    def __init__(self, *problems: _Problem) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What became of a page. `card` names what the file shows now."""

    page: _Page
    state: str
    card: str = ""
    problems: tuple[_Problem, ...] = ()

    def facts(self) -> dict[str, object]:
        facts: dict[str, object] = {"page": str(self.page.source), "file": self.page.name, "state": self.state}
        if self.problems:
            facts["errors"] = [{"field": each.field, "reason": each.reason} for each in self.problems]
        return facts


@click.group()
def cards() -> None:
    """Make share pictures from templates and data."""


@cards.command()
@click.pass_obj
def templates(console: Console) -> None:
    """List the templates and their variables."""
    found = console.services.templates
    facts = [
        {
            "name": name,
            "title": each.title,
            "description": each.description,
            "width": each.width,
            "height": each.height,
            "variables": {
                variable.name: {
                    "type": variable.type,
                    "required": variable.required,
                    "description": variable.description,
                }
                for variable in each.variables.values()
            },
        }
        for name, each in found.items()
    ]
    lines = [f"{name}: {each.description}\n  {', '.join(each.variables)}" for name, each in found.items()]
    console.show(facts, "\n".join(lines))


@cards.command()
@click.argument("pages", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--template", "-t", "name", default="article", show_default=True, help="the name of a template")
@click.option(
    "--out", "-o", required=True, type=click.Path(file_okay=False, path_type=Path), help="the folder of the pictures"
)
@click.option(
    "--map",
    "fields",
    multiple=True,
    metavar="VARIABLE=FIELD",
    help="which field of the front matter a variable shows; repeatable",
)
@click.option(
    "--set",
    "values",
    multiple=True,
    metavar="VARIABLE=TEXT",
    help="what a variable shows on pages that do not say it; repeatable",
)
@click.option(
    "--format", "format_", type=click.Choice(["png", "webp", "jpeg", "avif"]), default="png", show_default=True
)
@click.option("--scale", type=click.FloatRange(1, 3), default=1, show_default=True, help="pixels for each CSS pixel")
@click.option("--drafts", is_flag=True, help="draw pages that are not published, too")
@click.option("--force", is_flag=True, help="draw cards that are unchanged, too")
@click.pass_obj
def build(  # noqa: PLR0913 - the options of a command
    console: Console, /, pages: tuple[Path, ...], name: str, out: Path, fields: tuple[str, ...], values: tuple[str, ...],
    *, format_: str, scale: float, drafts: bool, force: bool,
) -> None:  # fmt: skip
    """Draw a card for each of PAGES from its front matter: files, or folders of files.

    A card that has not changed is not drawn again. `card: false` in a page leaves it out, and a table `card:` sets
    variables for this page.
    """
    reader = _CardReader(
        _template(console, name), dict(_pairs("--map", fields)), dict(_pairs("--set", values)), drafts=drafts
    )
    builder = _Builder(console, reader, out, format_, scale, force=force)
    outcomes = builder.build(_pages(pages, FORMATS[format_].ending))
    failed = [each for each in outcomes if each.state == "failed"]
    count = {
        state: sum(each.state == state for each in outcomes) for state in ("built", "unchanged", "skipped", "failed")
    }
    lines = [f"{each.page.source}: {problem}" for each in failed for problem in each.problems]
    told = ", ".join(f"{number} {state}" for state, number in count.items() if number) or "no pages"
    console.show(count | {"cards": [each.facts() for each in outcomes]}, "\n".join([*lines, f"{out}: {told}"]))
    if failed:
        sys.exit(1)


def _template(console: Console, name: str) -> Template:
    try:
        return console.services.templates[name]
    except UnknownTemplate as err:
        raise click.UsageError(f"--template: {err.bad[0].reason}") from None


def _pairs(option: str, given: Iterable[str]) -> Iterator[tuple[str, str]]:
    for each in given:
        name, equals, value = each.partition("=")
        if not equals:
            raise click.UsageError(f"{option} {each}: write it as name=value")
        yield name, value


def _pages(given: Iterable[Path], ending: str) -> list[_Page]:
    """Find all pages. Refuse two whose cards would have the same name."""
    found: dict[str, _Page] = {}
    for start in given:
        for path in _files(start):
            inside = path.relative_to(start) if start.is_dir() else Path(path.resolve().parent.name, path.name)
            name = _name(inside) if start.is_dir() else _name(inside).name
            page = _Page(path, f"{name}.{ending}")
            other = found.setdefault(page.name, page)
            if other.source.resolve() != path.resolve():
                raise click.UsageError(
                    f"{other.source} and {path} would both be {page.name}: give their folder instead"
                )
    return list(found.values())


def _files(start: Path) -> list[Path]:
    if not start.is_dir():
        return [start]
    inside = (path for path in start.rglob("*") if path.suffix in _ENDINGS and path.is_file())
    return sorted(path for path in inside if not _is_left_out(path.relative_to(start)))


def _is_left_out(path: Path) -> bool:
    return any(part.startswith(".") or part == "node_modules" for part in path.parts)


def _name(path: Path) -> Path:
    """Return the name of a page's card: its path without the ending. `hello/index.md` is a bundle, named like its folder."""
    is_bundle = path.stem in ("index", "_index") and path.parent != Path()
    return path.parent if is_bundle else path.with_name(path.stem)


@dataclass(frozen=True, slots=True)
class _CardReader:
    """Reads the data of a page's card."""

    template: Template
    fields: Mapping[str, str]
    values: Mapping[str, str]
    drafts: bool

    def __post_init__(self) -> None:
        for option, names in (("--map", self.fields), ("--set", self.values)):
            for name in names:
                if name not in self.template.variables:
                    valid = ", ".join(self.template.variables)
                    raise click.UsageError(f"{option}: {self.template.name} has no variable {name}; it has {valid}")

    def read(self, page: Path) -> CardData | None:
        """Return the data, None for a page that has no card.

        Raises _Refused, whose fields are those of the page.
        """
        try:
            matter = read_front_matter(page)
        except BadFrontMatter as err:
            raise _Refused(_Problem("", f"front matter: {err}")) from None
        except OSError as err:
            raise _Refused(_Problem("", f"cannot be read: {err.strerror}")) from None
        own = matter.get("card")
        is_draft = matter.get("draft") is True or matter.get("published") is False
        if own is False or (is_draft and not self.drafts):
            return None
        given = {name: self._value(name, text, Path(), "--set") for name, text in self.values.items()}
        shown = {name: f"--set {name}" for name in given}
        for name in self.template.variables:
            field = self._field(name, matter)
            if field:
                given[name] = self._value(name, matter[field], page.parent, field)
                shown[name] = field
        if isinstance(own, dict):
            for name, value in own.items():
                given[str(name)] = self._value(str(name), value, page.parent, f"card.{name}")
                shown[str(name)] = f"card.{name}"
        try:
            return self.template.read(given)
        except CardError as err:
            raise _renamed(err, shown, self.fields) from None

    def _field(self, name: str, matter: Mapping[str, Any]) -> str:
        """Return the field of the page that a variable shows, "" if there is none."""
        if name in self.fields:
            return self.fields[name] if matter.get(self.fields[name]) is not None else ""
        if name in _OWN or self.template.variables[name].type in ("image", "colour"):
            return ""
        return next((field for field in _FIELDS.get(name, (name,)) if matter.get(field) not in (None, "", [])), "")

    def _value(self, name: str, value: object, folder: Path, field: str) -> object:
        if isinstance(value, list) and name in _FIRST:
            value = value[0] if value else None
        text = text_of(value)
        variable = self.template.variables.get(name)
        if variable is None or variable.type != "image" or not isinstance(text, str) or not text or ":" in text:
            return text
        return _inlined(folder, text, field)


def _inlined(folder: Path, name: str, field: str) -> str:
    """Return a picture beside the page as a `data:` URI. Raises _Refused."""
    kind = _PICTURES.get(Path(name).suffix.lower())
    if kind is None or name.startswith("/"):
        raise _Refused(_Problem(field, "must be an http:// or https:// URL, or the path of a picture beside the page"))
    try:
        body = (folder / name).read_bytes()
    except OSError as err:
        raise _Refused(_Problem(field, f"{folder / name} cannot be read: {err.strerror}")) from None
    if len(body) > _MOST_BYTES:
        wrong = f"{folder / name} has {len(body):,} bytes; make it smaller: at most {_MOST_BYTES:,}"
        raise _Refused(_Problem(field, wrong))
    return f"data:image/{kind};base64,{base64.b64encode(body).decode()}"


def _renamed(err: CardError, shown: Mapping[str, str], fields: Mapping[str, str]) -> _Refused:
    """Say what is wrong by the names that the page's fields have."""
    bad = [_Problem(shown.get(each.name, each.name), each.reason) for each in err.bad]
    missing = [_Problem(fields.get(name) or _FIELDS.get(name, (name,))[0], "is missing") for name in err.missing]
    unknown = [_Problem(shown.get(name, name), "the template has no such variable") for name in err.unknown]
    return _Refused(*bad, *missing, *unknown)


class _Builder:
    """Draws the cards of pages into a folder, and notes there which card each file shows."""

    def __init__(
        self, console: Console, reader: _CardReader, out: Path, format_: str, scale: float, *, force: bool
    ) -> None:
        self._console, self._reader, self._out = console, reader, out
        self._format, self._scale, self._force = format_, scale, force
        self._notes = {} if force else _read_notes(out / NOTES)

    def build(self, pages: list[_Page]) -> list[_Outcome]:
        """Draw the cards of all pages, some at a time, and write the notes. Errors of a page stop no other."""
        hidden = self._console.as_json or not sys.stderr.isatty()
        bar: Any = click.progressbar(length=len(pages), label="Cards", file=sys.stderr, hidden=hidden)
        outcomes = []
        with bar, ThreadPoolExecutor(_AT_ONCE) as threads:
            for outcome in threads.map(self._build, pages):
                outcomes.append(outcome)
                bar.update(1)
        self._note({each.page.name: each.card for each in outcomes if each.card})
        return outcomes

    def _build(self, page: _Page) -> _Outcome:
        template, file = self._reader.template, self._out / page.name
        try:
            data = self._reader.read(page.source)
            if data is None:
                return _Outcome(page, "skipped")
            card = sha256(f"{template.target_name(data)} {self._format} {self._scale:g}".encode()).hexdigest()[:32]
            if self._notes.get(page.name) == card and file.is_file():
                return _Outcome(page, "unchanged", card)
            served = self._drawn(template, data)
            _write(file, served.picture.body)
        except _Refused as err:
            return _Outcome(page, "failed", problems=err.problems)
        except ThumbnailError as err:
            return _Outcome(page, "failed", problems=(_Problem(err.field, err.reason or err.title),))
        is_whole = (
            served.cache is not CacheState.STALE
        )  # a thumbnail in it was there in time; else the next run draws it again
        return _Outcome(page, "built", card if is_whole else "")

    def _drawn(self, template: Template, data: CardData) -> Served:
        request = card_request(template, data, Rendition(format=self._format), Delivery(), self._scale)
        services = self._console.services
        for shown in services.card_thumbnails.named_by(request.target):
            services.access.blocked.require_shown(shown)
        return services.card_thumbnails.get(Ask(request, NoCharge(CLIENT), new_id()))

    def _note(self, cards_: dict[str, str]) -> None:
        """Add to the notes of earlier runs, which may have drawn other pages."""
        if cards_:
            text = json.dumps(_read_notes(self._out / NOTES) | cards_, indent=1, sort_keys=True, ensure_ascii=False)
            _write(self._out / NOTES, f"{text}\n".encode())


def _read_notes(file: Path) -> dict[str, str]:
    """Read the notes; none if they are missing or damaged, so that all cards are drawn."""
    try:
        notes = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return notes if isinstance(notes, dict) else {}


def _write(file: Path, body: bytes) -> None:
    """Write a file whole, or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=file.parent, prefix=".", delete=False) as part:
        draft = Path(part.name)
        try:
            part.write(body)
            part.flush()
            draft.chmod(0o644)
            draft.replace(file)
        except OSError:
            draft.unlink(missing_ok=True)
            raise
