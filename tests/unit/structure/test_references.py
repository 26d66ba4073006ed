"""The names in comments and docstrings exist."""

import ast
import importlib
import io
import re
import tokenize

from tests.unit.structure import house

SEEN = re.compile(r"\b[Ss]ee `(\w+)`")
DOTTED = re.compile(r"`([a-z_]+(?:\.\w+)+)(?:\(\))?`")


def told(pattern):
    """Each name that `pattern` finds in the comments and docstrings of a module, as (path, nodes of its tree, name)."""
    for path, nodes in house.files("scripts"):
        text = (house.ROOT / path).read_text(encoding="utf-8")
        if pattern.search(text):  # tokens are expensive
            for part in prose(text, nodes):
                yield from ((path, nodes, name) for name in pattern.findall(part))


def prose(text, nodes):
    """The comments and docstrings of a module."""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.string
    for node in nodes:
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield ast.get_docstring(node) or ""


def named(nodes):
    """The functions, classes, parameters and variables of a module."""
    for node in nodes:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.Name(id=name) | ast.arg(arg=name):
                yield name


def exists(dotted):
    """Return whether a name such as `jobs.retention` or `options.chosen` is a module of ours, or offered by one."""
    module, _, name = dotted.rpartition(".")
    home = house.ROOT / module.replace(".", "/")
    is_module = (home / f"{name}.py").exists() or (home / name / "__init__.py").exists()
    return is_module or hasattr(importlib.import_module(module), name)


def test_a_comment_with_see_refers_to_a_name_of_its_module():
    assert [(str(path), name) for path, nodes, name in told(SEEN) if name not in named(nodes)] == []


def test_a_name_with_a_dot_that_begins_with_a_module_of_ours_is_in_it():
    packages = house.packages()
    assert [
        (str(path), dotted)
        for path, nodes, dotted in told(DOTTED)
        if (root := dotted.partition(".")[0]) in packages and root not in named(nodes)
        if not dotted.endswith(".py") and not exists(dotted)
    ] == []
