"""Identifies, compares and renders pictures, with Pillow. Knows neither caches nor HTTP."""

from images.changes import Change, compare, draw_difference, mean_colour, pixels_compared
from images.compare import INVISIBLE, difference, doubt
from images.cpu import CpuPool
from images.decode import Identity, NotAPicture, TooManyPixels, identify, pixels_decoding, pixels_of
from images.foreign import read_icon, read_preview, read_shared, resize_icon
from images.heap import VERY_LARGE, return_large_buffers
from images.letter import draw_letter
from images.palette import palette
from images.provenance import Provenance, public_address
from images.render import is_as_captured, make_rendition, pixels_held

__all__ = [
    "INVISIBLE",
    "VERY_LARGE",
    "Change",
    "CpuPool",
    "Identity",
    "NotAPicture",
    "Provenance",
    "TooManyPixels",
    "compare",
    "difference",
    "doubt",
    "draw_difference",
    "draw_letter",
    "identify",
    "is_as_captured",
    "make_rendition",
    "mean_colour",
    "palette",
    "pixels_compared",
    "pixels_decoding",
    "pixels_held",
    "pixels_of",
    "public_address",
    "read_icon",
    "read_preview",
    "read_shared",
    "resize_icon",
    "return_large_buffers",
]
