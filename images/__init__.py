"""Pictures as bytes: identified, compared, rendered. Pillow's only home; knows nothing of caches or of HTTP."""

from images.compare import INVISIBLE, difference, doubt
from images.decode import Identity, NotAPicture, identify
from images.render import make_rendition

__all__ = ["INVISIBLE", "Identity", "NotAPicture", "difference", "doubt", "identify", "make_rendition"]
