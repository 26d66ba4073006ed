"""The row of a route in the table: what a caller sends, what it gets, and what may go wrong."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from errors import ThumbnailError

JSONSchema = dict[str, Any]
Contents = Mapping[str, JSONSchema]  # media type → schema


class Access(Enum):
    """Who may call a route."""

    OPEN = "everybody"
    KEYED = "callers with an API key, where keys are set"
    SIGNED = "everybody, or with SIGNING_KEYS those with a signature"
    PICTURES = "everybody, or with SIGNING_KEYS callers with an API key, unless GALLERY_PUBLIC is true"


@dataclass(frozen=True, slots=True)
class RouteParameter:
    """A parameter in the `place` query, path or header."""

    name: str
    place: str
    schema: JSONSchema
    description: str
    required: bool = False


@dataclass(frozen=True, slots=True)
class RouteResponse:
    """A response that is no error. `headers` are names of `web.openapi.headers`; one with ? is not always sent."""

    description: str
    contents: Contents = field(default_factory=dict)
    headers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RouteBody:
    """The body of a request. `examples` are by name."""

    contents: Contents
    examples: Mapping[str, object] = field(default_factory=dict)
    required: bool = True


@dataclass(frozen=True, slots=True)
class Route:
    """One route. `route` is its method and path, `name` what generated clients call it.

    `rules` are the application's, where they are not simply the path. `errors_as` says how the route shows errors beside a
    problem. `errors` are classes, each with all of its subclasses, and statuses of HTTP itself. Those that every route may give,
    and those of `access`, need not be named. The flood guard counts requests for a route that is `limited`.
    """

    route: str
    name: str
    tag: str
    summary: str
    responses: Mapping[int, RouteResponse]
    description: str = ""
    parameters: tuple[RouteParameter, ...] = ()
    body: RouteBody | None = None
    errors: tuple[type[ThumbnailError] | int, ...] = ()
    access: Access = Access.OPEN
    errors_as: RouteResponse | None = None
    limited: bool = True
    rules: tuple[str, ...] = ()

    @property
    def method(self) -> str:
        return self.route.partition(" ")[0]

    @property
    def path(self) -> str:
        return self.route.partition(" ")[2]

    @property
    def routes(self) -> set[tuple[str, str]]:
        """The application's routes that the row describes, as method and path."""
        return {(self.method, rule) for rule in self.rules or (self.path,)}


def query(name: str, schema: JSONSchema, description: str, *, required: bool = False) -> RouteParameter:
    return RouteParameter(name, "query", schema, description, required)


def header(name: str, description: str, schema: JSONSchema | None = None) -> RouteParameter:
    return RouteParameter(name, "header", schema or {"type": "string"}, description)


def in_path(name: str, schema: JSONSchema, description: str) -> RouteParameter:
    return RouteParameter(name, "path", schema, description, required=True)
