"""What callers send, as JSON Schemas and parameters: the options of options/, and the fields of a site."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from documents import THEMES
from options import (
    FILES,
    FORMATS,
    HTML_WORDS,
    JOB_OPTIONS,
    MARKDOWN_WORDS,
    MAX_URL_BYTES,
    PRIVATE,
    SITE_IMAGE_OPTIONS,
    THUMBNAIL_OPTIONS,
    Boolean,
    CaptureOptions,
    Choice,
    Clip,
    Code,
    Cookie,
    Kind,
    Option,
    Parts,
    Selector,
    Text,
    callers_options,
    contract,
)
from options.values import FARTHEST, LONGEST_CODE, MOST_COOKIES, MOST_HEADERS
from sites.drafts import LONGEST_NOTE, LONGEST_TAG, LONGEST_TITLE, MOST_TAGS
from sites.schedules import KEEPS, SCHEDULES
from validation import AUTO, DOCUMENT_OPTIONS, schema_of
from web.openapi.row import JSONSchema, RouteParameter, query

_NONE: Mapping[str, JSONSchema] = MappingProxyType({})
A_PAGE = "https://example.com/"
_FILES = Choice(FILES)
_ALL_FORMATS = Choice((*FORMATS, AUTO))
_PICTURE_FORMATS = Choice((*(name for name in FILES if name != "pdf"), AUTO))
_LINK = re.compile(r"\[([^\]]+)\]\([^)]*\)")
_PIXELS = {"type": "integer", "minimum": -FARTHEST, "maximum": FARTHEST}
_SIDE = {"type": "integer", "minimum": 1, "maximum": FARTHEST}

# The options of several parts, which the models of validation leave to their readers: as JSON, and in a query.
_PARTS: Mapping[str, JSONSchema] = MappingProxyType(
    {
        "clip": {
            "type": "object",
            "properties": {name: _SIDE if name in ("width", "height") else _PIXELS for name in Clip._fields},
            "required": list(Clip._fields),
            "additionalProperties": False,
            "examples": [{"x": 0, "y": 0, "width": 800, "height": 600}],
        },
        "headers": {
            "type": "object",
            "additionalProperties": {"type": "string"},
            "maxProperties": MOST_HEADERS,
            "examples": [{"X-Preview": "1"}],
        },
        "cookies": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {name: {"type": "string"} for name in Cookie._fields},
                "required": ["name", "value"],
                "additionalProperties": False,
            },
            "maxItems": MOST_COOKIES,
            "examples": [[{"name": "session", "value": "…"}]],
        },
    }
)
_PARTS_IN_QUERY: Mapping[str, JSONSchema] = MappingProxyType(
    {"clip": {"type": "string", "pattern": r"^-?\d{1,5},-?\d{1,5},\d{1,5},\d{1,5}$", "examples": ["0,0,800,600"]}}
)

# Names of SnapSharp's contract that are no option of a capture.
_CONTRACTS_OWN = (
    Option(Boolean(), "device pixels: true is `scale=2`", name="retina", default=False),
    Option(Boolean(), "turn a phone or a tablet of `device` on its side", name="viewport_landscape", default=False),
    Option(Boolean(), "false captures the page now", name="cache", default=True),
    Option(contract.CACHE_TTL, "how old the picture may be", name="cache_ttl", default=3600),
)
_CONTRACTS = (
    THUMBNAIL_OPTIONS["url"],
    *(
        replace(option, name=name, kind=option.kind_for("engine"), default=option.default_for("engine"), setting="")
        for name, option in contract.OPTIONS.items()
        if name != "url"
    ),
    *_CONTRACTS_OWN,
)


_CONTRACTS_DOCUMENT = tuple(
    replace(
        each,
        kind=contract.DOCUMENT_SIDES.get(each.name, each.kind),
        default=contract.DOCUMENT_DEFAULTS.get(each.attribute, each.default),
    )
    for each in _CONTRACTS
    if each.name in contract.DOCUMENT_FIELDS
)


_CONTRACTS_CARD = tuple(
    replace(each, default=contract.CARD_DEFAULTS.get(each.name, each.default))
    for each in _CONTRACTS_DOCUMENT
    if each.name in contract.CARD_FIELDS
)
_CARD: Mapping[str, JSONSchema] = MappingProxyType(
    {
        "template": {"type": "string", "description": "One that `/v1/templates` lists.", "examples": ["blog-post"]},
        "data": {
            "type": "object",
            "additionalProperties": {"type": ["string", "number", "boolean", "null"]},
            "description": "The template's variables.",
            "examples": [{"title": "Hello"}],
        },
    }
)


def _selector(kind: Selector) -> JSONSchema:
    """Return the schema of a selector as the contract reads it: of a text with any characters. A list may be empty."""
    some = {} if kind.several else {"minLength": 1, "pattern": r"\S"}
    return {"type": "string", "maxLength": kind.longest} | some


_CONTRACTS_SELECTORS = {each.name: _selector(each.kind) for each in _CONTRACTS if isinstance(each.kind, Selector)}
_CONTRACTS_SELECTORS_IN_JSON = _CONTRACTS_SELECTORS | {  # SnapSharp's clients send a list as they are given one
    each.name: {
        "anyOf": [
            _CONTRACTS_SELECTORS[each.name],
            {"type": "array", "items": {"type": "string", "pattern": r"\S"}},
        ]
    }
    for each in _CONTRACTS
    if isinstance(each.kind, Selector) and each.kind.several
}
_CONTRACTS_IN_QUERY = {"js"}  # of the private options


def object_of(
    options: Iterable[Option],
    *,
    required: Collection[str] = (),
    own: Mapping[str, JSONSchema] = _NONE,
    **instead: Kind,
) -> JSONSchema:
    """Return the schema of a JSON object with these options. `instead` replaces the kind of some, `own` the schema."""
    return {
        "type": "object",
        "properties": _properties(options, {**_PARTS, **own}, **instead),
        "required": list(required),
        "additionalProperties": False,
    }


def parameters_of(
    options: Iterable[Option], own: Mapping[str, JSONSchema] = _NONE, **instead: Kind
) -> tuple[RouteParameter, ...]:
    """Return these options as parameters of a query. `instead` and `own` are as for an object."""
    several = tuple(options)
    properties = _properties(several, {**_PARTS_IN_QUERY, **own}, **instead)
    return tuple(
        query(
            option.name,
            {name: value for name, value in _plain(properties[option.name]).items() if name != "description"},
            properties[option.name]["description"],
            required=option.required,
        )
        for option in several
    )


def _properties(options: Iterable[Option], parts: Mapping[str, JSONSchema], **instead: Kind) -> dict[str, JSONSchema]:
    several = tuple(options)
    found = schema_of(several, **instead)["properties"]
    return {option.name: _property(option, found[option.name], parts) for option in several}


def _property(option: Option, found: JSONSchema, parts: Mapping[str, JSONSchema]) -> JSONSchema:
    """Complete the schema of an option: what the models say of its values, and what options/ says of its meaning."""
    # No `default`: generated clients and forms would send it, and a width that is sent counts more than a device's own.
    dropped = ("title", "description", "default")
    schema: dict[str, Any] = {name: value for name, value in found.items() if name not in dropped}
    if isinstance(option.kind, Parts) or option.name in parts:
        schema = dict(parts[option.name])
    elif isinstance(option.kind, Code):
        schema["maxLength"] = LONGEST_CODE
    elif isinstance(option.kind, Text) and "URL" in option.kind.words:
        schema |= {"minLength": 1, "maxLength": MAX_URL_BYTES, "examples": [A_PAGE]}
    return schema | {"description": describe(option)}


def describe(option: Option) -> str:
    """Return the meaning of an option and its default, without links to other pages."""
    meaning = _LINK.sub(r"\1", option.meaning) or option.kind.words
    default = _LINK.sub(r"\1", option.default_words)
    if not default and option.default is not None and not option.required:
        default = f"`{str(option.default).lower() if isinstance(option.default, bool) else option.default}`"
    if option.setting:
        default = f"the setting `{option.setting.upper()}` ({default})"
    return _sentence(meaning) + (f" Default: {default}." if default else "")


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip(".") + "."


def _plain(schema: JSONSchema) -> JSONSchema:
    """Leave out null, which a query cannot say."""
    choices = [each for each in schema.get("anyOf", ()) if each != {"type": "null"}]
    return {**choices[0], **{name: value for name, value in schema.items() if name != "anyOf"}} if choices else schema


_BY_QUERY = tuple(each for each in THUMBNAIL_OPTIONS.values() if not each.private and each.name != "sig")
_BY_BODY = tuple(each for each in THUMBNAIL_OPTIONS.values() if each.name != "sig")  # the URL first
_JOB = tuple(each for each in JOB_OPTIONS.values() if each.name != "urls")

THUMBNAIL_QUERY = parameters_of(_BY_QUERY, format=_ALL_FORMATS)
RENDITION_QUERY = parameters_of(SITE_IMAGE_OPTIONS.values(), format=_PICTURE_FORMATS)
CONTRACT_QUERY = parameters_of(
    (each for each in _CONTRACTS if each.attribute not in PRIVATE or each.name in _CONTRACTS_IN_QUERY),
    _CONTRACTS_SELECTORS,
)

_SITE_OPTIONS = tuple(each for each in callers_options(CaptureOptions) if not each.private and each.name != "url")
_URL = {"type": "string", "minLength": 1, "maxLength": MAX_URL_BYTES, "examples": [A_PAGE]}
_SITE_FIELDS: Mapping[str, JSONSchema] = MappingProxyType(
    {
        "url": _URL | {"description": "The page; one site for each URL, in its normal form."},
        "title": {
            "type": "string",
            "maxLength": LONGEST_TITLE,
            "description": "Its name; without one, lists show the host.",
        },
        "note": {"type": "string", "maxLength": LONGEST_NOTE, "description": "What you want to remember about it."},
        "tags": {
            "type": "array",
            "items": {"type": "string", "maxLength": LONGEST_TAG, "pattern": "^[^,]*$"},
            "maxItems": MOST_TAGS,
            "description": "By which it is found; in small letters.",
        },
        "options": {
            "type": "object",
            "properties": {
                name: _plain(schema) for name, schema in _properties(_SITE_OPTIONS, _PARTS_IN_QUERY).items()
            },
            "additionalProperties": False,
            "description": "How it is captured: the public capture options that differ from their defaults.",
        },
        "schedule": {
            "type": "string",
            "default": "daily",
            "examples": ["daily", "12h"],
            "description": f"When it is captured again. It {SCHEDULES}.",
        },
        "keep": {
            "type": "string",
            "default": "30 versions",
            "examples": ["30 versions", "1 year", "all"],
            "description": f"Which versions are kept. It {KEEPS}.",
        },
        "paused": {"type": "boolean", "default": False, "description": "Whether its captures pause."},
    }
)
_CAPTURE = {"type": "boolean", "default": True, "description": "Whether to capture it now; else on its schedule."}


_TEXT = {"type": "string", "pattern": r"\S"}
_DOCUMENT: Mapping[str, JSONSchema] = MappingProxyType(
    {
        "html": _TEXT | {"description": f"What the picture shows: {HTML_WORDS}.", "examples": ["<h1>Hello</h1>"]},
        "network": {
            "type": "boolean",
            "default": False,
            "description": "Whether the HTML may request what it names, through the guard. Else nothing is requested.",
        },
    }
)
_MARKDOWN: Mapping[str, JSONSchema] = MappingProxyType(
    {
        "markdown": _TEXT
        | {"description": f"In place of `html`: {MARKDOWN_WORDS}. CommonMark with tables.", "examples": ["# Hello"]},
        "theme": {"type": "string", "enum": list(THEMES), "description": "How Markdown looks. Default: `light`."},
    }
)


_CLIP = {"clip": {"anyOf": [_PARTS["clip"], {"type": "null"}]}}


def _with_document(schema: JSONSchema, own: Mapping[str, JSONSchema]) -> JSONSchema:
    """Add what a picture shows to the schema of its options."""
    return {**schema, "properties": {**own, **schema["properties"]}}


def _or_null(schema: JSONSchema) -> JSONSchema:
    """Let a null stand for each option that may be left out, as SnapSharp's clients send it."""
    properties = {
        name: found if name in schema["required"] else _nullable(found) for name, found in schema["properties"].items()
    }
    return {**schema, "properties": properties}


def _nullable(schema: JSONSchema) -> JSONSchema:
    if {"type": "null"} in schema.get("anyOf", ()):
        return schema
    outside: JSONSchema = {name: schema[name] for name in ("description", "examples", "default") if name in schema}
    return {"anyOf": [{name: schema[name] for name in schema if name not in outside}, {"type": "null"}], **outside}


def _site(*required: str, **more: JSONSchema) -> JSONSchema:
    properties = {**_SITE_FIELDS, **more}
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


SCHEMAS: Mapping[str, JSONSchema] = MappingProxyType(
    {
        "ThumbnailOptions": object_of(_BY_BODY, required=["url"], own=_CLIP, format=_ALL_FORMATS),
        "PermanentPictureOptions": object_of(_BY_BODY, required=["url"], own=_CLIP, format=_FILES),
        "JobOptions": object_of((*_BY_BODY, *_JOB), required=["url"], own=_CLIP, format=_FILES),
        "BatchOptions": object_of((*_BY_BODY[1:], *JOB_OPTIONS.values()), required=["urls"], own=_CLIP, format=_FILES),
        "ContractOptions": _or_null(object_of(_CONTRACTS, required=["url"], own=_CONTRACTS_SELECTORS_IN_JSON)),
        "DocumentOptions": {
            **_with_document(
                object_of(DOCUMENT_OPTIONS.values(), own=_CLIP, format=Choice((*FILES, AUTO))),
                {**_DOCUMENT, **_MARKDOWN},
            ),
            "oneOf": [{"required": ["html"]}, {"required": ["markdown"]}],
        },
        "ContractDocumentOptions": _or_null(
            _with_document(
                object_of(_CONTRACTS_DOCUMENT, required=["html"], own={**_CONTRACTS_SELECTORS, **_CLIP}), _DOCUMENT
            )
        ),
        "ContractCardOptions": _or_null(_with_document(object_of(_CONTRACTS_CARD, required=["template"]), _CARD)),
        "SiteToAdd": _site("url", capture=_CAPTURE),
        "SitesToAdd": {
            "type": "object",
            "properties": {
                "sites": {"type": "array", "items": _site("url"), "minItems": 1, "maxItems": 1000},
                "capture": _CAPTURE,
            },
            "required": ["sites"],
            "additionalProperties": False,
        },
        "PurgeOrder": {
            "type": "object",
            "properties": {
                "url": {"type": "string", "minLength": 1},
                "host": {"type": "string", "minLength": 1, "maxLength": 255},
                "site": {"type": "integer", "minimum": 1, "maximum": 2**31 - 1},
                "tag": {"type": "string", "minLength": 1},
                "all": {"type": "boolean"},
                "older_than": {
                    "anyOf": [
                        {"type": "number", "minimum": 0, "maximum": 315_360_000},
                        {"type": "string", "format": "date-time"},
                    ]
                },
            },
            "minProperties": 1,
            "additionalProperties": False,
        },
        "SiteChanges": _site(),
        "ShownVersion": {
            "type": "object",
            "properties": {"version": {"type": "integer", "minimum": 1, "maximum": 2**31 - 1}},
            "required": ["version"],
            "additionalProperties": False,
        },
    }
)
