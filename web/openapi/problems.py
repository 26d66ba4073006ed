"""The errors of a route as responses, one for each status, from the classes of `errors`: a new one appears by itself."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

from errors import CaptureError, InvalidOption, ThumbnailError
from options import STATUS_HEADER, either
from web.http import envelope
from web.http.errors import WORTH_ASKING_AGAIN, code_of
from web.openapi.headers import BUDGET, CONTRACTS_BUDGET
from web.openapi.outputs import BINARY
from web.openapi.row import JSONSchema, RouteResponse

PROBLEM, JSON = "application/problem+json", "application/json"
_REQUEST_ID = "0f3c9a52b7e14d6c8a91e2d4b6f80713"


@dataclass(frozen=True, slots=True)
class RouteError:
    """An error as a caller gets it. `kind` is None for an error of HTTP itself."""

    status: int
    code: str
    title: str
    kind: type[ThumbnailError] | None = None

    @property
    def retryable(self) -> bool:
        return self.kind is not None and self.kind.retryable

    @property
    def members(self) -> dict[str, object]:
        """The members of an example, as a problem has them."""
        field = self.kind.default_field if self.kind else ""
        detail = f"{field}: {self.title.lower()}" if field else self.title
        return {"title": self.title, "status": self.status, "code": self.code, "detail": detail} | (
            {"page_status": 404} if self.code == "page_status" else {}
        )


def subclasses(kind: type[ThumbnailError]) -> Iterator[type[ThumbnailError]]:
    """Yield `kind` and all below it that are raised: one without a code of its own or of a parent is only a branch."""
    if kind is ThumbnailError or kind.code != ThumbnailError.code:
        yield kind
    if kind is not ThumbnailError:
        for each in kind.__subclasses__():
            yield from subclasses(each)


def errors_of(kinds: Iterable[type[ThumbnailError] | int], *, contract: bool = False) -> dict[int, list[RouteError]]:
    """Return the errors of a route by their status, each code once."""
    found: dict[int, dict[str, RouteError]] = {}
    for kind in kinds:
        for error in _errors(kind, contract=contract):
            found.setdefault(error.status, {}).setdefault(error.code, error)
    return {status: list(found[status].values()) for status in sorted(found)}


def _errors(kind: type[ThumbnailError] | int, *, contract: bool) -> Iterator[RouteError]:
    if isinstance(kind, int):
        code = envelope.code_of(kind, code_of(kind)) if contract else code_of(kind)
        yield RouteError(kind, code, HTTPStatus(kind).phrase)
        return
    for each in subclasses(kind):
        status, code = envelope.named(each) if contract else (each.status, each.code)
        yield RouteError(status, code, each.title, each)


def problem_response(
    errors: Sequence[RouteError], placeholders: Iterable[str], shown: RouteResponse | None = None
) -> tuple[RouteResponse, Mapping[str, object]]:
    """Return the response for errors of one status, and an example of each.

    `placeholders` are content types. `shown` is how the route itself shows errors, if not as a problem.
    """
    contents = {PROBLEM: {"$ref": "#/components/schemas/Problem"}, **dict.fromkeys(placeholders, BINARY)}
    headers = ("Cache-Control", "X-Thumb-State?", "X-Error-Code?", *_headers(errors), *_budget(errors, BUDGET))
    examples = {error.code: _problem(error) for error in errors}
    if shown is None:
        return RouteResponse(_describe(errors), contents, headers), examples
    description = f"{shown.description} {_describe(errors)}"
    return RouteResponse(description, {**contents, **shown.contents}, (*headers, *shown.headers)), examples


def contract_response(errors: Sequence[RouteError]) -> tuple[RouteResponse, Mapping[str, object]]:
    """Return the same in the envelope of SnapSharp's contract."""
    headers = ("Cache-Control", *_headers(errors), *CONTRACTS_BUDGET)
    examples = {error.code: _in_envelope(error) for error in errors}
    return RouteResponse(_describe(errors), {JSON: {"$ref": "#/components/schemas/ContractError"}}, headers), examples


def _describe(errors: Sequence[RouteError]) -> str:
    titles = [f"`{error.code}`{' (retryable)' if error.retryable else ''}" for error in errors]
    return f"{HTTPStatus(errors[0].status).phrase}: {either(tuple(titles))}."


def _headers(errors: Sequence[RouteError]) -> Iterator[str]:
    kinds = [error.kind for error in errors]
    if errors[0].status == 401:
        yield "WWW-Authenticate"
    captured = any(kind and issubclass(kind, CaptureError) for kind in kinds)
    # A failure is remembered for a while, also that of an option which the page did not bear.
    if captured or InvalidOption in kinds or any(kind and kind.retryable for kind in kinds):
        yield "Retry-After?"
    if captured:
        yield f"{STATUS_HEADER}?"
    if errors[0].status in WORTH_ASKING_AGAIN:
        yield "Server-Timing?"
    if errors[0].status == 405:
        yield "Allow"


def _budget(errors: Sequence[RouteError], headers: tuple[str, ...]) -> tuple[str, ...]:
    return headers if errors[0].status == 429 else ()


def _problem(error: RouteError) -> dict[str, object]:
    return {"type": "about:blank", **error.members, "request_id": _REQUEST_ID, "retryable": error.retryable}


def _in_envelope(error: RouteError) -> dict[str, object]:
    return {"error": error.code, "message": error.title, "status": error.status, "retryable": error.retryable}


_TEXT: JSONSchema = {"type": "string"}
_STATUS: JSONSchema = {"type": "integer", "minimum": 100, "maximum": 599}
_PAGE_STATUS: JSONSchema = _STATUS | {"description": "The HTTP status of the page, with the code `page_status`."}
_RETRYABLE: JSONSchema = {"type": "boolean", "description": "Whether the same request may succeed later."}


def _codes() -> list[str]:
    kinds = [kind for branch in ThumbnailError.__subclasses__() for kind in subclasses(branch)]
    return sorted({ThumbnailError.code, *(kind.code for kind in kinds)})


def _object(properties: Mapping[str, Any], *optional: str) -> JSONSchema:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": [name for name in properties if name not in optional],
    }


SCHEMAS: Mapping[str, JSONSchema] = MappingProxyType(
    {
        "Problem": _object(
            {
                "type": _TEXT,
                "title": _TEXT,
                "status": _STATUS,
                "code": _TEXT | {"description": "Stays the same. More may be added.", "examples": _codes()},
                "detail": _TEXT | {"description": "Names the field that is wrong, and its values."},
                "request_id": _TEXT,
                "retryable": _RETRYABLE,
                "page_status": _PAGE_STATUS,
                "state": {"const": "failed", "description": "For a caller that asks for the state of a picture."},
                "url": _TEXT | {"description": "With `state`: the page, if the request names one."},
                "picture": _TEXT | {"description": "With `state`: the URL of the picture."},
                "retry_after": {"type": "integer", "minimum": 0, "description": "With `state`: in seconds."},
            },
            "page_status",
            "state",
            "url",
            "picture",
            "retry_after",
        )
        | {"description": "An error, as RFC 9457 writes it."},
        "ContractError": _object(
            {
                "error": _TEXT,
                "message": _TEXT,
                "status": _STATUS,
                "retryable": _RETRYABLE,
                "retry_after": {"type": "integer", "minimum": 0, "description": "In seconds."},
                "page_status": _PAGE_STATUS,
            },
            "retry_after",
            "page_status",
        )
        | {"description": "An error, as SnapSharp's clients read it."},
    }
)
