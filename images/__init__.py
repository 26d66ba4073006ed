"""Identifies, compares and renders pictures, with Pillow. Knows neither caches nor HTTP."""

from images.compare import INVISIBLE, difference, doubt
from images.cpu import CpuPool
from images.decode import NotAPicture, identify, pixels_of
from images.render import is_as_captured, make_rendition

__all__ = [
    "INVISIBLE",
    "CpuPool",
    "NotAPicture",
    "difference",
    "doubt",
    "identify",
    "is_as_captured",
    "make_rendition",
    "pixels_of",
]
