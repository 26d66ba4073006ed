"""Every option, format and note, each described once: name, kind of value, default, names in APIs, text for the docs.

Validation, dialects, keys, error texts and the tables of `docs/` are made from these descriptions. Pure, and shared by
the service and the engine.
"""

from options.formats import FORMATS, PNG, Format
from options.kinds import Boolean, Choice, Code, Kind, Number, Parts, Selector, Text, Texts, Time, Whole, either
from options.notes import NO_NOTES, NOTE_HEADER, NOTES, STATUS_HEADER, Notes
from options.option import LEFT_OUT, Option, Param, callers_options, chosen, options_of
from options.table import (
    BULKY,
    JOB_OPTIONS,
    LONGEST_TTL,
    LONGEST_WAIT,
    MAX_BATCH,
    MAX_PIXELS,
    MAX_URL_BYTES,
    MOST_BULK,
    OUTPUT_SIDE,
    PRIVATE,
    SHORTEST_TTL,
    THUMBNAIL_OPTIONS,
    CaptureOptions,
    Delivery,
    JobOptions,
    Rendition,
    Signature,
)
from options.target import DEFAULT_PORTS, Target
from options.values import Clip, Cookie, read_code, stored

__all__ = [
    "BULKY",
    "DEFAULT_PORTS",
    "FORMATS",
    "JOB_OPTIONS",
    "LEFT_OUT",
    "LONGEST_TTL",
    "LONGEST_WAIT",
    "MAX_BATCH",
    "MAX_PIXELS",
    "MAX_URL_BYTES",
    "MOST_BULK",
    "NOTES",
    "NOTE_HEADER",
    "NO_NOTES",
    "OUTPUT_SIDE",
    "PNG",
    "PRIVATE",
    "SHORTEST_TTL",
    "STATUS_HEADER",
    "THUMBNAIL_OPTIONS",
    "Boolean",
    "CaptureOptions",
    "Choice",
    "Clip",
    "Code",
    "Cookie",
    "Delivery",
    "Format",
    "JobOptions",
    "Kind",
    "Notes",
    "Number",
    "Option",
    "Param",
    "Parts",
    "Rendition",
    "Selector",
    "Signature",
    "Target",
    "Text",
    "Texts",
    "Time",
    "Whole",
    "callers_options",
    "chosen",
    "either",
    "options_of",
    "read_code",
    "stored",
]
