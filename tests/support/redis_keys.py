"""The table of all keys in docs/operations/redis.md."""

import re
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "operations" / "redis.md"


@dataclass(frozen=True)
class Row:
    """One kind of key: its name below the prefix, the servers that hold it, and when it expires."""

    name: str
    servers: frozenset[str]
    expires: str

    def matches(self, key: str) -> bool:
        return re.fullmatch(re.sub(r"<\w+>", ".+", re.sub(r"([{}])", r"\\\1", self.name)), key) is not None

    @property
    def lasts(self) -> bool:
        """Whether such a key may be without an expiry, for the reason that the table gives."""
        return self.expires.startswith("no: ") or "Not before: " in self.expires


def rows() -> list[Row]:
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.count("|") == 6]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [Row(key.strip("`"), frozenset(where.split(", ")), expires) for key, where, _, expires, _ in cells[2:]]
