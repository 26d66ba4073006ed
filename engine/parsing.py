"""A request's query or body → CaptureOptions, by the contract in `options.contract`. Also parses URLs. Pure."""

import json
import re
from collections.abc import Iterable, Mapping

import can_ada

from cards import CardError, Templates, read_snapsharp
from engine.errors import InvalidParams, PlanRequired
from options import DEFAULT_PORTS, MAX_URL_BYTES, CaptureOptions, Document, Target, contract, with_sharp_s

NO_CARD = 'the body must be a JSON object such as {"template": "blog-post", "data": {"title": "Hello"}}'
# Control characters, spaces, backslash, zero-width and bidirectional marks. A browser drops or rewrites some of them, so
# it would capture another URL than a person reads.
UNSAFE_IN_URL = re.compile("[\x00-\x20\x7f\\\\\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")


def parse_query(pairs: Iterable[tuple[str, str]]) -> CaptureOptions:
    """Read a query string's options. Raises InvalidParams, also for a repeated one, and PlanRequired."""
    try:
        return parse(contract.of_query(pairs))
    except contract.BadOption as err:
        raise InvalidParams(str(err)) from None


def parse_json(body: bytes) -> CaptureOptions:
    """Read a JSON object's options. Raises InvalidParams and PlanRequired."""
    try:
        return parse(json.loads(body, object_pairs_hook=contract.unrepeated))
    except (ValueError, RecursionError):
        raise InvalidParams(contract.NO_OBJECT) from None
    except contract.BadOption as err:
        raise InvalidParams(str(err)) from None


def parse_document(body: bytes) -> tuple[CaptureOptions, Document]:
    """Read a JSON object's document and options. Raises InvalidParams."""
    try:
        read = contract.read_document(json.loads(body, object_pairs_hook=contract.unrepeated))
    except (ValueError, RecursionError):
        raise InvalidParams('the body must be a JSON object such as {"html": "<h1>Hello</h1>"}') from None
    except contract.BadOption as err:
        raise InvalidParams(str(err)) from None
    return read.wanted.capture, read.document


def parse_card(body: bytes, templates: Templates) -> tuple[CaptureOptions, Document]:
    """Read a JSON object's template, data and options. Raises InvalidParams.

    The engine has no thumbnails, so a card that shows a page's is drawn without it.
    """
    drawn: list[Document] = []

    def target(template_id: str, data: Mapping[str, object]) -> Target:
        template, read = read_snapsharp(templates, template_id, data)
        drawn.append(Document(template.render(read), network=template.needs_network(read)))
        return drawn[0].target

    try:
        wanted = contract.read_card(json.loads(body, object_pairs_hook=contract.unrepeated), target)
    except (ValueError, RecursionError):
        raise InvalidParams(NO_CARD) from None
    except (contract.BadOption, CardError) as err:
        raise InvalidParams(str(err)) from None
    return wanted.capture, drawn[0]


def parse(options: Mapping[str, object]) -> CaptureOptions:
    """Read `options`. Raises InvalidParams that names the first one that cannot be used, and PlanRequired.

    The engine has no cache, so what the caller says about one is read and dropped.
    """
    try:
        return contract.read(options, _target).capture
    except contract.NotOffered as err:
        raise PlanRequired(str(err)) from None
    except contract.BadOption as err:
        raise InvalidParams(str(err)) from None


def _target(value: object) -> Target:
    text = value if isinstance(value, str) else ""
    # The WHATWG algorithm accepts `http:host` and an empty user name. They are refused, as they can mislead a reader.
    plain = re.match(r"(?i)https?://[^/?#@]+([/?#]|$)", text)
    try:
        if not plain or UNSAFE_IN_URL.search(text) or len(text.encode()) > MAX_URL_BYTES:
            raise ValueError  # noqa: TRY301 - one refusal for all of it
        return locate(text)
    except ValueError:
        reason = f"must be an absolute http or https URL without user name, at most {MAX_URL_BYTES} bytes"
        raise contract.BadOption("url", reason) from None


def locate(text: str) -> Target:
    """Parse a URL as the browser does. Raises ValueError unless it is http or https."""
    url = can_ada.parse(with_sharp_s(text))
    port = url.port or DEFAULT_PORTS.get(url.protocol.removesuffix(":"))
    if not port:
        raise ValueError("neither http nor https")
    return Target(url.href, url.hostname.removesuffix("."), int(port))
