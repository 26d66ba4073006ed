"""The main colours of a picture. Pure."""

from PIL import Image

from images.decode import NotAPicture
from images.render import open_original, shrink

_SIDE = 96  # pixels: the picture is reduced to so many, which changes its main colours little
_SHADES = 24
_ALIKE = 36  # the distance, summed over red, green and blue, of colours that count as one
_LEAST = 0.005  # the share of a picture that a colour has


def palette(body: bytes, pixels: bytes | memoryview = b"", most: int = 6) -> tuple[str, ...]:
    """Return up to `most` main colours, such as #1f6feb, the commonest first; none for a PDF, or what does not decode."""
    if body.startswith(b"%PDF-"):
        return ()
    try:
        return _colours(open_original(body, pixels), most)
    except NotAPicture:
        return ()


def share_of_main_colour(image: Image.Image) -> float:
    """Return the share, 0 to 1, of a picture that its commonest colour has."""
    small = _small(image)
    return max((count for count, _ in _counted(small)), default=0) / (small.width * small.height)


def _colours(image: Image.Image, most: int) -> tuple[str, ...]:
    small = _small(image)
    least = _LEAST * small.width * small.height
    common = [colour for count, colour in _counted(small) if count >= least]
    return tuple(f"#{bytes(colour).hex()}" for colour in common[:most])


def _small(image: Image.Image) -> Image.Image:
    return shrink(image, max(image.width // _SIDE, image.height // _SIDE, 1)).convert("RGB")


def _counted(small: Image.Image) -> list[tuple[int, tuple[int, ...]]]:
    """Count the pixels of each main colour, the commonest first."""
    shades = small.quantize(_SHADES, Image.Quantize.FASTOCTREE)
    flat = shades.getpalette() or []
    found: list[tuple[int, tuple[int, ...]]] = []
    for count, index in sorted(shades.getcolors() or [], reverse=True):
        colour = tuple(flat[3 * int(index) : 3 * int(index) + 3])  # type: ignore[call-overload]
        alike = next((at for at, (_, other) in enumerate(found) if _distance(colour, other) < _ALIKE), None)
        if alike is None:
            found.append((count, colour))
        else:
            found[alike] = found[alike][0] + count, found[alike][1]
    return sorted(found, reverse=True)


def _distance(one: tuple[int, ...], other: tuple[int, ...]) -> int:
    return sum(abs(a - b) for a, b in zip(one, other, strict=True))
