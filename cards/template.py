"""A template: reads the data of a card, and writes the card as a document that requests nothing but pictures in its data."""

import base64
import hashlib
import html
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import jinja2
import jinja2.sandbox
from jinja2 import nodes

from cards import colours, writing
from cards.colours import DARK, LIGHT, ink_on, mixed, palette, readable
from cards.declaration import Declaration, read_declaration
from cards.failures import BadVariable, BrokenTemplate, CardError
from cards.files import TemplateFiles
from cards.places import Walk
from cards.values import THUMBNAIL, TemplateVariable, read_value
from cards.writing import direction_of, language_of

PREFIX = "card:"
_MOST_NAMED = 20  # unknown variables in one error
_DOCUMENT = Path(__file__).parent / "document"
_BASE = (_DOCUMENT / "base.css").read_text(encoding="utf-8")
_SCRIPT = (_DOCUMENT / "fit.js").read_text(encoding="utf-8")
_SCRIPT_HASH = base64.b64encode(hashlib.sha256(_SCRIPT.encode()).digest()).decode()
# The one script is ours. Whatever a template or its data were to hold, no other one runs, and nothing but pictures is asked for.
_POLICY = (
    "default-src 'none'; img-src data: http: https:; font-src data:; style-src 'unsafe-inline'; "
    f"script-src 'sha256-{_SCRIPT_HASH}'; base-uri 'none'; form-action 'none'"
)
_PAGE = """<!doctype html>
<html lang="{lang}" dir="{dir}" data-theme="{theme}" style="{style}">
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>{base}</style>
<style>{own}</style>
<body>
{body}
<script>{script}</script>
"""
_PICTURES = "_pictures"  # no variable begins with an underscore
_STYLE_FILTERS = {"ink": ink_on, "mixed": mixed, "readable": readable}
_OPENS, _CLOSES = re.compile(r"[(\[]|\{%-?\s*(?:if|for|with)\b"), re.compile(r"[)\]]|\{%-?\s*end(?:if|for|with)\b")
_NUMBER_FILTERS = ("int", "float", "round", "abs")
# These mark their result as HTML, so autoescape would let it pass.
_REFUSED_FILTERS = ("safe", "tojson", "xmlattr", "urlize", "escape", "e", "forceescape", "pprint", "attr", "map")


def _host(url: str) -> str:
    """Return the host of a URL as people write it."""
    return (urlsplit(url).hostname or "").removeprefix("www.")


def _compact(number: str) -> str:
    """Write 12345 as 12.3k."""
    try:
        value = float(number)
    except ValueError:
        return number
    for limit, unit in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= limit:
            return f"{value / limit:.1f}".removesuffix(".0") + unit
    return number


@jinja2.pass_context
def _thumbnail(context: jinja2.runtime.Context, url: str) -> str:
    """Return the thumbnail of a page as a `data:` URI, "" if there is none."""
    return str(context[_PICTURES].get(url, ""))


class _Environment(jinja2.sandbox.ImmutableSandboxedEnvironment):
    """Jinja without what marks text as HTML, and without other files."""

    def __init__(self) -> None:
        super().__init__(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
        for name in _REFUSED_FILTERS:
            del self.filters[name]
        self.filters |= {"host": _host, "compact": _compact, THUMBNAIL: _thumbnail, **_STYLE_FILTERS}
        self.globals.clear()


_ENVIRONMENT = _Environment()


@dataclass(frozen=True, slots=True)
class CardData:
    """The data of a card in their canonical form: texts by variable, sorted, without those that are at their default."""

    values: tuple[tuple[str, str], ...]

    @property
    def query(self) -> str:
        return urlencode(self.values)


class Template:
    """One template, as its folder was when it was loaded. `version` changes with any of its files, and with our own."""

    def __init__(self, name: str, folder: Path) -> None:
        """Read the folder.

        Raises BrokenTemplate with the file and the line.
        """
        self.name = name
        self.folder = folder
        self.version = _version(folder)
        self._declaration = read_declaration(folder / "template.toml")
        files = TemplateFiles(folder)
        file = folder / "template.html"
        source = _read(file)
        self._body = _compiled(files.in_html(source, file), file, self._declaration)
        style = folder / "style.css"
        self._style = files.in_style(_read(style), style) if style.exists() else ""
        if "</style" in self._style.lower():
            raise BrokenTemplate(style, 1, "a style sheet cannot hold </style")
        self._try_out(file)

    @property
    def title(self) -> str:
        return self._declaration.title

    @property
    def description(self) -> str:
        return self._declaration.description

    @property
    def width(self) -> int:
        """The width of a card in CSS pixels."""
        return self._declaration.width

    @property
    def height(self) -> int:
        return self._declaration.height

    @property
    def variables(self) -> Mapping[str, TemplateVariable]:
        """All variables by name, in the order of `template.toml`, after those that every template has."""
        return MappingProxyType(dict(self._declaration.variables))

    @cached_property
    def example(self) -> CardData:
        """The data that `template.toml` gives as an example."""
        return self.read(self._samples(required=False))

    def read(self, given: Mapping[str, object]) -> CardData:
        """Read the variables of a card: texts, numbers and booleans. "" and None are values that are left out.

        Raises CardError, which lists all that is wrong.
        """
        variables = self._declaration.variables
        values, bad = {}, []
        for name, value in given.items():
            if name in variables and value is not None:
                try:
                    values[name] = read_value(value, variables[name])
                except ValueError as err:
                    bad.append(BadVariable(name, str(err)))
        unknown = [_shown(name) for name in sorted(set(given) - set(variables))[:_MOST_NAMED]]
        refused = {each.name for each in bad}
        missing = [
            name for name, each in variables.items() if each.required and not values.get(name) and name not in refused
        ]
        if unknown or missing or bad:
            raise CardError(unknown=unknown, missing=missing, bad=bad)
        return CardData(
            tuple(sorted((name, text) for name, text in values.items() if text and text != variables[name].default))
        )

    def thumbnails(self, data: CardData) -> dict[str, str]:
        """Return the URLs of pages whose thumbnails the card shows, by variable: `render` takes their pictures."""
        return {name: text for name, text in data.values if self._declaration.variables[name].type == THUMBNAIL}

    def needs_network(self, data: CardData) -> bool:
        """Return whether the document will ask for a picture that its data name by a URL."""
        return bool(self.images(data))

    def images(self, data: CardData) -> dict[str, str]:
        """Return the URLs of pictures that the document will ask for, by variable."""
        images = {name: text for name, text in data.values if self._declaration.variables[name].type == "image"}
        return {name: text for name, text in images.items() if not text.startswith("data:")}

    def render(self, data: CardData, pictures: Mapping[str, str] = MappingProxyType({})) -> str:
        """Write the card as a whole document.

        `pictures` are the thumbnails as `data:` URIs, by variable; the card does without those that are missing.
        Its root element has the attribute `data-fitted` once all texts have their size.
        Raises CardError if an expression of the template fails with these data.
        """
        variables = self._declaration.variables
        given = dict(data.values)
        values: dict[str, Any] = {name: given.get(name, each.default) for name, each in variables.items()}
        values |= {name: values[name] == "1" for name, each in variables.items() if each.type == "boolean"}
        values[_PICTURES] = {given[name]: uri for name, uri in pictures.items() if name in given}
        texts = [given[name] for name in variables if name in given and variables[name].type in ("text", "long text")]
        longest = max(texts, key=len, default="")  # names beside it are often in other letters
        ground = values["background"] or (DARK if values["theme"] == "dark" else LIGHT)
        colours = palette(ground, values["accent"])
        return _PAGE.format(
            lang=values["lang"] or language_of(longest),
            dir=direction_of(longest),
            theme="dark" if ink_on(ground) > ground else "light",
            style=";".join(f"--{name}:{colour}" for name, colour in colours.items()),
            policy=_POLICY,
            title=html.escape(texts[0] if texts else self.title),
            base=_BASE,
            own=self._style,
            body=self._written(values),
            script=_SCRIPT,
        )

    def _written(self, values: Mapping[str, Any]) -> str:
        try:
            return self._body.render(values)
        except Exception as err:
            raise CardError(bad=[BadVariable("template", f"{self.name} cannot be drawn with these data")]) from err

    def target_name(self, data: CardData) -> str:
        """Return the canonical name of a card, from which `Templates.resolve` makes it again."""
        return f"{PREFIX}{self.name}@{self.version[:12]}?{data.query}"

    def data_of(self, query: str) -> CardData:
        """Read the data in the name of a card.

        Raises CardError.
        """
        return self.read(dict(parse_qsl(query, keep_blank_values=True)))

    def _samples(self, *, required: bool) -> dict[str, str]:
        """Return a value for each variable that needs one, and unless only those are `required`, all examples."""
        return {
            name: each.example or _sample(each)
            for name, each in self.variables.items()
            if each.required or (each.example and not required)
        }

    def _try_out(self, file: Path) -> None:
        """Render the example, the least that a card may have, and all that it may have."""
        every = {name: each.example or _sample(each) for name, each in self.variables.items()}
        for data in (self.read(every), self.read(self._samples(required=True)), self.example):
            try:
                self.render(data, dict.fromkeys(self.thumbnails(data), "data:,"))
            except CardError as err:
                cause = err.__cause__ or err
                raise BrokenTemplate(file, _line_of(cause), f"{type(cause).__name__}: {cause}") from None


def _shown(name: str) -> str:
    """Return a name that a caller has made up, so that an error may repeat it."""
    return "".join(letter if letter.isprintable() else "?" for letter in name[:40])


def _sample(variable: TemplateVariable) -> str:
    """Return a value that a variable may have."""
    samples = {
        "number": "1",
        "date": "2026-01-31",
        "url": "https://example.com/",
        "image": "data:image/png;base64,AAAA",
        "thumbnail": "https://example.com/",
        "colour": "#336699",
        "choice": variable.choices[0] if variable.choices else "",
        "boolean": "1",
        "language": "en",
    }
    return samples.get(variable.type, "Text"[: variable.length])


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise BrokenTemplate(file, 1, "must be UTF-8") from None
    except OSError as err:
        raise BrokenTemplate(file, 1, f"cannot be read: {err.strerror}") from None


def _version(folder: Path) -> str:
    """Hash all files of a template, and what we put around them."""
    looks = (Path(module.__file__ or "").read_text(encoding="utf-8") for module in (colours, writing))
    digest = hashlib.sha256("".join([_PAGE, _BASE, _SCRIPT, *looks]).encode())
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        # Hidden files are no part of a template: editors and Kubernetes leave some whose names differ from process to process.
        if path.is_file() and not any(part.startswith(".") for part in name.parts):
            body = path.read_bytes()
            digest.update(f"\n{name.as_posix()} {len(body)}\n".encode() + body)
    return digest.hexdigest()


def _compiled(source: str, file: Path, declaration: Declaration) -> jinja2.Template:
    try:
        tree = _ENVIRONMENT.parse(source)
        Walk(file, declaration.variables, frozenset({*_STYLE_FILTERS, *_NUMBER_FILTERS})).follow(tree.body)
        _refuse_unknown(tree, file, declaration)
        code = _ENVIRONMENT.compile(source, filename=str(file))
    except jinja2.TemplateSyntaxError as err:
        raise BrokenTemplate(file, err.lineno, err.message or "syntax error") from None
    except RecursionError:
        raise BrokenTemplate(file, _deepest_line(source), "is nested too deeply") from None
    return jinja2.Template.from_code(_ENVIRONMENT, code, {})


def _deepest_line(source: str) -> int:
    """Return the line at which the most brackets and blocks are open."""
    depth, deepest, line = 0, 0, 1
    for number, text in enumerate(source.splitlines(), 1):
        opened = depth + len(_OPENS.findall(text))
        if opened > deepest:
            deepest, line = opened, number
        depth = opened - len(_CLOSES.findall(text))
    return line


def _refuse_unknown(tree: nodes.Template, file: Path, declaration: Declaration) -> None:
    """Refuse a name that is neither a variable nor set by the template itself."""
    names = list(tree.find_all(nodes.Name))
    for each in names:
        # A place that takes a variable of a narrow type would take what stands in its place, too.
        if each.ctx != "load" and each.name in declaration.variables:
            raise BrokenTemplate(file, each.lineno, f"{each.name} is a variable of template.toml: set another name")
    known = {*declaration.variables, "loop", *(each.name for each in names if each.ctx in ("store", "param"))}
    for each in names:
        if each.name not in known:
            variables = ", ".join(declaration.variables)
            raise BrokenTemplate(
                file, each.lineno, f"there is no variable {each.name} in template.toml; valid are {variables}"
            )


def _line_of(err: BaseException) -> int:
    """Return the line of the template that raised an error: Jinja puts it into the traceback."""
    line, trace = 1, err.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename.endswith("template.html"):
            line = trace.tb_lineno
        trace = trace.tb_next
    return line
