"""Cards: pictures made of a template and data. Reads templates, judges data, and writes documents for the browser. Pure, and shared by the
service and the engine.
"""

from cards.failures import BadVariable, BrokenTemplate, CardError, OutdatedCard, UnknownTemplate
from cards.library import BUILT_IN, Templates, load
from cards.snapsharp import SNAPSHARP_TEMPLATES, list_snapsharp, read_snapsharp
from cards.template import PREFIX, CardData, Template
from cards.values import LONGEST_PICTURE, TemplateVariable

__all__ = [
    "BUILT_IN",
    "LONGEST_PICTURE",
    "PREFIX",
    "SNAPSHARP_TEMPLATES",
    "BadVariable",
    "BrokenTemplate",
    "CardData",
    "CardError",
    "OutdatedCard",
    "Template",
    "TemplateVariable",
    "Templates",
    "UnknownTemplate",
    "list_snapsharp",
    "load",
    "read_snapsharp",
]
