"""All templates of an installation: those that come along, and the operator's own."""

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from cards.failures import BrokenTemplate, CardError, OutdatedCard, UnknownTemplate
from cards.template import PREFIX, CardData, Template

BUILT_IN = Path(__file__).parent / "templates"
_NAME = "abcdefghijklmnopqrstuvwxyz0123456789-"


class Templates(Mapping[str, Template]):
    """The templates by name, sorted. Those that come along are read when they are first used, once in a process."""

    def __init__(self, own: Iterable[Template]) -> None:
        """`own` are the operator's templates, which replace others of their names."""
        templates: dict[str, Template | None] = dict.fromkeys(_folders(BUILT_IN))
        templates |= {each.name: each for each in own}
        self._templates = dict(sorted(templates.items()))

    def __getitem__(self, name: str) -> Template:
        """Return the template of this name.

        Raises UnknownTemplate, which is a CardError.
        """
        if name not in self._templates:
            raise UnknownTemplate(self._templates)
        return self._templates[name] or _built_in(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._templates)

    def __len__(self) -> int:
        return len(self._templates)

    def __contains__(self, name: object) -> bool:
        return name in self._templates

    def get(self, name: str, default: Any = None) -> Any:
        try:
            return self[name]
        except UnknownTemplate:
            return default

    def resolve(self, target_name: str) -> tuple[Template, CardData]:
        """Return the template and the data of a card, by the name that `Template.target_name` gave it.

        Raises CardError, OutdatedCard if the template has changed since.
        """
        name, _, query = target_name.removeprefix(PREFIX).partition("?")
        name, _, version = name.partition("@")
        template = self[name]
        if template.version[:12] != version:
            raise OutdatedCard
        data = template.data_of(query)
        if not target_name.startswith(PREFIX) or data.query != query:
            raise CardError(unknown=["this is not the canonical name of a card"])
        return template, data


def load(folders: Iterable[Path] = ()) -> Templates:
    """Return the templates that come along and those in `folders`, each in a folder of its name. A later one replaces an earlier one.

    Raises BrokenTemplate, for the process to end with: a template that cannot be used is found at start.
    """
    found: dict[str, Path] = {}
    for folder in folders:
        if not folder.is_dir():
            raise BrokenTemplate(folder, 1, "must be a folder of templates")
        found |= _folders(folder)
    for name, path in list(found.items()):
        if _is_name(name):
            continue
        if (path / "template.html").exists():
            raise BrokenTemplate(path, 1, "the name of a template consists of 1 to 40 lower-case letters, digits and -")
        del found[name]  # no template, such as `lost+found` of a volume
    return Templates(Template(name, path) for name, path in found.items())


def _is_name(name: str) -> bool:
    return 0 < len(name) <= 40 and not name.strip(_NAME) and not name.startswith("-")


def _folders(folder: Path) -> dict[str, Path]:
    return {path.name: path for path in folder.iterdir() if path.is_dir() and not path.name.startswith((".", "_"))}


@cache
def _built_in(name: str) -> Template:
    return Template(name, BUILT_IN / name)
