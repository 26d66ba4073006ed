"""Two hundred made-up sites whose pages change as days pass: some daily, some weekly, some never.

A page depends on its site and its edition alone, so an edition looks the same whenever it is captured.
"""

import csv
import io
import random
from dataclasses import dataclass

from demo.kinds import KINDS, DemoKind, Scene

COUNT = 200
PLAIN = {
    "/": "Halden: maps for people who walk",
    "/article": "The word for a path: Halden Journal",
    "/dashboard": "Trail status: Halden",
}
PACES = (1, 2, 7, 1, 3, 30, 0)  # days between two editions; 0 for never
PLACES = (
    *("Halden", "Åsvik", "Tromsdal", "Nordby", "Lillevik", "Fjellstad", "Skogly", "Høgvarde", "Storvann", "Myrland"),
    *("Bergset", "Elvebu", "Granholt", "Kvitfjell", "Sandnes", "Tindelund", "Vestby", "Øyer", "Ramsund", "Dalheim"),
)
# One site in ten has a name in another script.
NAMES = (
    "海辺の喫茶店",
    "متحف الجبال",
    "पहाड़ी समाचार",
    "Το καφενείο της πλατείας",
    "Горная хижина",
    "산길 책방",
    "ร้านริมน้ำ",
)


@dataclass(frozen=True)
class DemoSite:
    """One site, by its number from 0."""

    number: int

    @property
    def kind(self) -> DemoKind:
        return KINDS[self.number % len(KINDS)]

    @property
    def pace(self) -> int:
        return PACES[self.number % len(PACES)]

    @property
    def place(self) -> str:
        return PLACES[(self.number * 7 + self.number // len(PLACES)) % len(PLACES)]

    @property
    def title(self) -> str:
        if self.number % 10 == 9:
            return NAMES[self.number // 10 % len(NAMES)]
        return f"{self.place} {self.kind.noun}"

    @property
    def path(self) -> str:
        return f"/sites/{self.number}"

    def edition(self, day: float) -> int:
        """Return the number of the edition on a day. Sites do not all change at the same hour."""
        return int((day + self.number / COUNT) / self.pace) if self.pace else 0

    def html(self, day: float) -> str:
        """Write the page as it is on a day, counted from any day."""
        edition = self.edition(day)
        own, new = random.Random(f"{self.number}"), random.Random(f"{self.number}/{edition}")  # noqa: S311 - looks alone
        return self.kind.page(Scene(self.title, self.place, own.randrange(360), edition, own, new))


SITES = tuple(map(DemoSite, range(COUNT)))
BY_PATH = {site.path: site for site in SITES}


def table(base: str, count: int = COUNT) -> str:
    """Write the plain pages and the first `count` sites as CSV for an import. `base` is the URL of the demo server."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(("url", "title", "tags", "schedule"))
    writer.writerows((base + path, title, "demo", "daily") for path, title in PLAIN.items())
    for site in SITES[:count]:
        pace = {0: "unchanging", 1: "daily news", 7: "weekly"}.get(site.pace, "")
        writer.writerow(
            (base + site.path, site.title, ", ".join(filter(None, ("demo", site.kind.tag, pace))), "hourly")
        )
    return text.getvalue()
