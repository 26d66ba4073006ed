"""Sizes of pictures where the operator allows only some: the nearest of them is made. Pure."""

import math
from collections.abc import Collection
from dataclasses import replace

from options import Rendition

Size = tuple[int | None, int | None]


def on_ladder(rendition: Rendition, sizes: Collection[Size]) -> Rendition:
    """Return `rendition` in the allowed size that is nearest to its own: of the same shape, and rather larger than smaller."""
    size = rendition.w, rendition.h
    if not sizes or size == (None, None) or size in sizes:
        return rendition
    width, height = min(sizes, key=lambda allowed: _distance(size, allowed))
    return replace(rendition, w=width, h=height)


def _distance(size: Size, allowed: Size) -> tuple[float, ...]:
    sides = [(wanted, offered) for wanted, offered in zip(size, allowed, strict=True) if wanted and offered]
    other_sides = sum((wanted is None) != (offered is None) for wanted, offered in zip(size, allowed, strict=True))
    too_small = any(offered < wanted for wanted, offered in sides)
    difference = sum(abs(math.log(offered / wanted)) for wanted, offered in sides)
    return other_sides, abs(_ratio(size) - _ratio(allowed)), too_small, difference


def _ratio(size: Size) -> float:
    width, height = size
    return round(math.log(width / height), 2) if width and height else 0.0
