"""Identifies, compares and renders pictures, with Pillow. Knows neither caches nor HTTP."""

from images.compare import INVISIBLE, difference, doubt
from images.cpu import CpuPool
from images.decode import NotAPicture, identify, pixels_of
from images.render import make_rendition

__all__ = ["INVISIBLE", "CpuPool", "NotAPicture", "difference", "doubt", "identify", "make_rendition", "pixels_of"]
