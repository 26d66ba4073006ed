"""Parts for tests of the catalogue: a clock, drafts, and pictures of pages."""

import io
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from PIL import Image, ImageDraw

from model import Picture
from sites import SiteDraft


@dataclass
class Clock:
    now: datetime = datetime(2026, 11, 29, 12, tzinfo=UTC)

    def __call__(self):
        return self.now

    def advance(self, **by):
        self.now += timedelta(**by)


def draft(name, **more):
    return SiteDraft(f"https://{name}.example/", **more)


def page(mark=0, size=(400, 300), at=None, background="#ddeeff"):
    """A captured page, with a black square of `mark` pixels at (100, 100)."""
    image = Image.new("RGB", size, background)
    ImageDraw.Draw(image).rectangle((5, 5, 60, 30), fill="red")
    if mark:
        ImageDraw.Draw(image).rectangle((100, 100, 99 + mark, 99 + mark), fill="black")
    target = io.BytesIO()
    image.save(target, "PNG")
    return Picture(target.getvalue(), "image/png", *size, at or datetime(2026, 11, 29, 12, tzinfo=UTC))
