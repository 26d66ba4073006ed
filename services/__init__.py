"""The composition root: makes every collaborator once, from the settings. The only folder that sees everything."""

from services.root import Services, build

__all__ = ["Services", "build"]
