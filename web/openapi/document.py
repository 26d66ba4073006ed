"""Makes the OpenAPI 3.1 document from the table of routes: https://spec.openapis.org/oas/v3.1.1.html."""

import re
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any

from access import AccessRules
from errors import BadSignature, ExpiredSignature, RateLimited, ThumbnailError, Unauthorized
from web.http.envelope import PREFIX
from web.openapi import inputs, outputs, problems
from web.openapi.headers import HEADERS
from web.openapi.row import Access, Contents, Route, RouteBody, RouteParameter, RouteResponse

_CONVERTER = re.compile(r"<(?:[^:<>]+:)?([a-z]+)_?>")
_ABOUT = """\
Turns the URL of a page into a picture of it.

- **Every response** has `X-Request-ID`. A `HEAD` gets the headers of a `GET`. Headers for browsers alone, as those of CORS,
  are not listed.
- **Errors** are problems (RFC 9457) with a `code` that stays the same. A request whose `Accept` prefers pictures, as an
  `<img>` sends it, gets a placeholder with the same status, and the code in `X-Error-Code`.
- **Keys** are needed where the operator has set `API_KEYS`. Send one by either of the two schemes. With `SIGNING_KEYS`,
  `GET /thumb` needs a signature, which is made for one URL.
"""
_TAGS = {
    "Thumbnails": "Pictures of pages, as they are asked for.",
    "Documents": "Pictures of HTML and Markdown.",
    "Permanent pictures": "Pictures with a URL that lasts.",
    "Metadata": "What pages say of themselves.",
    "Cards": "Pictures for shared links, and how networks show them.",
    "Jobs": "Captures in the background.",
    "Sites": "The catalogue of sites, whose pictures keep themselves up to date.",
    "Pictures of sites": "How sites look, and looked before.",
    "SnapSharp's contract": "For clients of SnapSharp.",
    "Service": "The service itself.",
}
_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "An API key."},
    "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "The same key."},
    "signature": {
        "type": "apiKey",
        "in": "query",
        "name": "sig",
        "description": "The signature of a URL, made by the site that shows the picture.",
    },
}
_KEY: list[dict[str, list[str]]] = [{"bearer": []}, {"apiKey": []}]


@dataclass(frozen=True, slots=True)
class Installation:
    """What the document needs to know: the routes that there are, as (method, path), and the rules of access.

    `base` is the path below which callers reach the service, `placeholders` are the content types of its placeholders.
    """

    routes: AbstractSet[tuple[str, str]]
    access: AccessRules
    pictures_open: bool
    version: str
    base: str
    placeholders: tuple[str, ...] = ("image/png",)

    def security(self, access: Access) -> list[dict[str, list[str]]]:
        """Return which schemes a route takes: one of the list, where an empty one is none."""
        keyed = bool(self.access.keys or self.access.signing_keys)
        match access:
            case Access.OPEN:
                return []
            case Access.SIGNED if self.access.signing_keys:
                return [{"signature": []}]
            case Access.KEYED if keyed:
                return _KEY
            case Access.PICTURES if not self.pictures_open:
                return _KEY
        return [{}, *_KEY]


def path_of_rule(rule: str) -> str:
    """Write the path of a Flask rule as OpenAPI does: `/sites/<int:id_>` is `/sites/{id}`."""
    return _CONVERTER.sub(r"{\1}", rule)


def build_document(routes: Iterable[Route], installation: Installation) -> dict[str, Any]:
    """Return the document as JSON's types. It has the `routes` that the installation has."""
    shared = _Components()
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        if not route.routes.isdisjoint(installation.routes):
            operation = _operation(route, installation, shared)
            paths.setdefault(route.path, {})[route.method.lower()] = operation
    return {
        "openapi": "3.1.1",
        "info": {
            "title": "Thumbnails",
            "version": installation.version,
            "description": _ABOUT,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": installation.base}],
        "tags": [{"name": name, "description": description} for name, description in _TAGS.items()],
        "paths": paths,
        "components": {
            "schemas": {**inputs.SCHEMAS, **outputs.SCHEMAS, **problems.SCHEMAS},
            "headers": shared.headers,
            "responses": shared.responses,
            "parameters": shared.parameters,
            "securitySchemes": _SCHEMES,
        },
    }


@dataclass(slots=True)
class _Components:
    """The parts of the document that several routes share, which refer to them."""

    headers: dict[str, Any] = field(default_factory=dict)
    responses: dict[str, Any] = field(default_factory=dict)
    parameters: dict[str, Any] = field(default_factory=dict)

    def header(self, name: str) -> tuple[str, Mapping[str, str]]:
        """Return the name of a header and a reference to it. One with ? is not always sent."""
        plain = name.removesuffix("?")
        meaning, schema = HEADERS[plain]
        always = plain == name
        key = plain if always else f"{plain}.sometimes"
        self.headers[key] = {"description": meaning, "required": always, "schema": schema}
        return plain, {"$ref": f"#/components/headers/{key}"}

    def parameter(self, parameter: RouteParameter) -> Mapping[str, str]:
        written = {
            "name": parameter.name,
            "in": parameter.place,
            "required": parameter.required,
            "description": parameter.description,
            "schema": parameter.schema,
        }
        return _kept(self.parameters, f"{parameter.place}.{parameter.name}", "parameters", written)

    def response(self, status: int, response: Mapping[str, Any]) -> Mapping[str, str]:
        return _kept(self.responses, f"Error{status}", "responses", response)


def _kept(known: dict[str, Any], name: str, kind: str, value: Mapping[str, Any]) -> Mapping[str, str]:
    """Keep `value` below `name`, or below `name` and a number if another one has that name, and return a reference."""
    key, number = name, 1
    while known.setdefault(key, value) != value:
        number += 1
        key = f"{name}.{number}"
    return {"$ref": f"#/components/{kind}/{key}"}


def _operation(route: Route, installation: Installation, shared: _Components) -> dict[str, Any]:
    operation: dict[str, Any] = {"tags": [route.tag], "operationId": route.name, "summary": f"{route.summary}"}
    if route.description:
        operation["description"] = route.description
    if route.parameters:
        operation["parameters"] = [shared.parameter(each) for each in route.parameters]
    if route.body:
        operation["requestBody"] = _body(route.body)
    operation["responses"] = dict(_responses(route, installation.placeholders, shared))
    operation["security"] = installation.security(route.access)
    return operation


def _body(body: RouteBody) -> dict[str, Any]:
    content: dict[str, Any] = {media_type: {"schema": schema} for media_type, schema in body.contents.items()}
    if body.examples:
        next(iter(content.values()))["examples"] = {name: {"value": each} for name, each in body.examples.items()}
    return {"required": body.required, "content": content}


def _responses(route: Route, placeholders: tuple[str, ...], shared: _Components) -> Iterator[tuple[str, Any]]:
    """Yield the responses of a route by their status, as text."""
    contract = route.path.startswith(PREFIX)
    errors = problems.errors_of(_errors(route), contract=contract)
    for status in sorted({*route.responses, *errors}):
        good = _response(route.responses[status], shared) if status in route.responses else None
        if status not in errors:
            yield str(status), good
            continue
        described, examples = (
            problems.contract_response(errors[status])
            if contract
            else problems.problem_response(errors[status], placeholders, route.errors_as)
        )
        problem = _response(described, shared, examples)
        problem["x-error-codes"] = [error.code for error in errors[status]]
        yield str(status), _either(good, problem) if good else shared.response(status, problem)


def _errors(route: Route) -> Iterator[type[ThumbnailError] | int]:
    """Yield what may go wrong: what the row says, what follows from its access, and what may happen anywhere."""
    yield from route.errors
    if route.access is not Access.OPEN:
        yield Unauthorized
    if route.access is Access.SIGNED:
        yield from (BadSignature, ExpiredSignature)
    if route.limited:
        yield RateLimited
    yield ThumbnailError


def _response(
    response: RouteResponse, shared: _Components, examples: Mapping[str, object] | None = None
) -> dict[str, Any]:
    headers = dict(shared.header(name) for name in ("X-Request-ID", *response.headers))
    written: dict[str, Any] = {"description": response.description, "headers": headers}
    if response.contents:
        written["content"] = _contents(response.contents, examples or {})
    return written


def _contents(contents: Contents, examples: Mapping[str, object]) -> dict[str, Any]:
    written: dict[str, Any] = {media_type: {"schema": schema} for media_type, schema in contents.items()}
    if examples:
        next(iter(written.values()))["examples"] = {name: {"value": each} for name, each in examples.items()}
    return written


def _either(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Return one response for two of the same status. A header that only one of them has is not always sent."""
    shared = {name for name in first["headers"] if first["headers"][name] == second["headers"].get(name)}
    headers = {
        name: written if name in shared else {"$ref": f"{written['$ref'].removesuffix('.sometimes')}.sometimes"}
        for name, written in {**first["headers"], **second["headers"]}.items()
    }
    return {
        **second,
        "description": f"{first['description']} Or: {second['description']}",
        "headers": headers,
        "content": {**first.get("content", {}), **second.get("content", {})},
    }
