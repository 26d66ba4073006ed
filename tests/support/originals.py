"""Looks at the folder of originals, and damages it."""

from pathlib import Path


def kept_files(folder: Path) -> list[Path]:
    """List the originals, without their pixels and without what the store writes for itself."""
    return [path for path in kept(folder) if not path.name.endswith(".pixels")]


def kept(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("??/*") if not path.name.startswith("."))


def kept_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in kept(folder))
