"""The names in comments and docstrings exist."""

import ast
import importlib
import io
import re
import tokenize

from tests.unit.structure import house


def prose(path, tree):
    """The comments and docstrings of a module."""
    for token in tokenize.generate_tokens(io.StringIO((house.ROOT / path).read_text(encoding="utf-8")).readline):
        if token.type == tokenize.COMMENT:
            yield token.string
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield ast.get_docstring(node) or ""


def named(tree):
    """The functions, classes, parameters and variables of a module."""
    for node in ast.walk(tree):
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
    assert [
        (str(path), name)
        for path, tree in house.files("scripts")
        for text in prose(path, tree)
        for name in re.findall(r"\b[Ss]ee `(\w+)`", text)
        if name not in named(tree)
    ] == []


def test_a_name_with_a_dot_that_begins_with_a_module_of_ours_is_in_it():
    assert [
        (str(path), dotted)
        for path, tree in house.files("scripts")
        for text in prose(path, tree)
        for dotted in re.findall(r"`([a-z_]+(?:\.\w+)+)(?:\(\))?`", text)
        if dotted.partition(".")[0] in house.packages() - set(named(tree))
        if not dotted.endswith(".py") and not exists(dotted)
    ] == []
