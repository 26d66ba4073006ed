"""The production code, as the tests of its structure look at it."""

import ast
import tomllib
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[3]
TOOLS = {"bench", "clients", "deploy", "docs", "scripts", "tests"}


def folders():
    """The folders at the root that hold Python code; what git ignores begins with a dot or holds none."""
    return {path.name for path in ROOT.iterdir() if path.name[0] != "." and path.is_dir() and any(path.rglob("*.py"))}


def modules():
    return {path.stem for path in ROOT.glob("*.py")}


def packages():
    """What runs in production and can be imported: modules and folders at the root."""
    return modules() | folders() - TOOLS


def files(*more):
    """Each file of the production code, and of the folders that are named, as (path below the root, nodes of its tree)."""
    found = [
        *ROOT.glob("*.py"),
        *(path for name in folders() - TOOLS | {*more} for path in (ROOT / name).rglob("*.py")),
    ]
    return [(path.relative_to(ROOT), nodes(path)) for path in sorted(found)]


@cache
def nodes(path):
    """The nodes of a module's tree, the module first. Kept for all tests, since to parse and walk them takes a second."""
    return [*ast.walk(ast.parse(path.read_text(encoding="utf-8")))]


def contracts():
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
