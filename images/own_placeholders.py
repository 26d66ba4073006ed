"""Placeholders of the operator: pictures in a folder, shown in place of those that are drawn."""

import io
from collections.abc import Collection, Mapping
from functools import lru_cache
from pathlib import Path
from typing import cast

from PIL import Image, ImageOps

from images.placeholder import State, Theme

SUFFIXES = (".png", ".webp", ".jpg", ".jpeg")
CONTENT_TYPE = "image/jpeg"  # a PNG takes ten times as long
MOST_BYTES, MOST_PIXELS = 4 << 20, 16 << 20  # of a file
# Nobody pays for a placeholder, and a large one takes long: 15 ms at this size, 140 ms at the largest that may be asked for.
LARGEST = 1280 * 720  # pixels
_KEPT_SIDE = 1280  # pixels: a larger picture is made smaller when it is read
_REMEMBERED = 32  # of at most 0.5 MB
_QUALITY = 85
_DARK = "-dark"


class BadPlaceholder(Exception):
    """A file of the folder cannot be used. The text names the file, and says what to do."""


class OwnPlaceholders:
    """The pictures of one folder. `pending.png` and `error.png` are shown for all pictures in that state.

    `blocked_url.webp` is shown for errors with that code, before `error.png`. Names that end in `-dark` are for dark pages.
    """

    def __init__(self, pictures: Mapping[str, Image.Image]) -> None:
        self._pictures = pictures
        self._fitted = lru_cache(maxsize=_REMEMBERED)(self._fit)

    @classmethod
    def read(cls, folder: Path, codes: Collection[str]) -> "OwnPlaceholders":
        """Read all pictures of `folder`, named after a state or one of the error `codes`. Raises BadPlaceholder."""
        try:
            paths = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
        except OSError as err:
            raise BadPlaceholder(f"the folder {folder} cannot be read ({err.strerror})") from None
        if not paths:
            raise BadPlaceholder(f"the folder {folder} is empty; put pending.png or error.png there")
        pictures: dict[str, Image.Image] = {}
        for path in paths:
            if path.suffix.lower() not in SUFFIXES or path.stem.removesuffix(_DARK) not in {"pending", "error", *codes}:
                raise BadPlaceholder(
                    f"{path} has another name than pending, error or an error's code, each with or without {_DARK}, "
                    f"and one of {', '.join(SUFFIXES)}"
                )
            if path.stem in pictures:
                raise BadPlaceholder(f"there are two pictures called {path.stem} in {folder}; remove one")
            pictures[path.stem] = _read(path)
        return cls(pictures)

    def fitted(self, width: int, height: int, state: State, code: str, theme: Theme) -> bytes | None:
        """Return a JPEG of `width` × `height` pixels for an error's `code`.

        None if the folder has no picture for it, or if more than LARGEST pixels are asked for.
        """
        if width * height > LARGEST:
            return None
        names = (code, "error") if state == "error" else ("pending",)
        found = [each for name in names for each in ((name + _DARK, name) if theme == "dark" else (name,))]
        name = next((each for each in found if each in self._pictures), None)
        return None if name is None else self._fitted(name, width, height)

    def _fit(self, name: str, width: int, height: int) -> bytes:
        """Show the whole picture, on the colour of its own corner."""
        picture = self._pictures[name]
        fitted = ImageOps.contain(picture, (width, height), Image.Resampling.BILINEAR)
        corner = cast("tuple[int, int, int]", picture.getpixel((0, 0)))
        canvas = Image.new("RGB", (width, height), corner)
        canvas.paste(fitted, ((width - fitted.width) // 2, (height - fitted.height) // 2))
        written = io.BytesIO()
        canvas.save(written, "JPEG", quality=_QUALITY)
        return written.getvalue()


def _read(path: Path) -> Image.Image:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise BadPlaceholder(f"{path} has more than {MOST_BYTES >> 20} MiB; make it smaller")
        with Image.open(path, formats=("PNG", "WEBP", "JPEG")) as picture:
            if picture.width * picture.height > MOST_PIXELS:
                raise BadPlaceholder(f"{path} has more than {MOST_PIXELS >> 20} million pixels; make it smaller")
            # Transparent parts are white, as on most pages.
            opaque = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture.convert("RGBA"))
    except OSError as err:
        raise BadPlaceholder(f"{path} cannot be read as a picture ({err.strerror or 'PNG, WebP or JPEG'})") from None
    opaque.thumbnail((_KEPT_SIDE, _KEPT_SIDE))
    return opaque.convert("RGB")
