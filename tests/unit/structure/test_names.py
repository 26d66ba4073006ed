"""Each name has one meaning, so that a search for it finds only that."""

import ast
import importlib.metadata
import re
import sys
from collections import defaultdict

from tests.unit.structure import house


def locked():
    for path in house.ROOT.glob("requirements*.txt"):
        yield from re.findall(r"^([a-z0-9.-]+)==", path.read_text(encoding="utf-8"), flags=re.MULTILINE)


def classes():
    for path, nodes in house.files("scripts", "deploy"):
        yield from ((path, node) for node in nodes if isinstance(node, ast.ClassDef))


def test_no_module_or_folder_is_called_like_a_package_that_is_installed():
    # A distribution and what it installs may have different names; neither is free.
    taken = {*sys.stdlib_module_names, *importlib.metadata.packages_distributions()}
    taken |= {re.sub(r"[.-]", "_", name) for name in locked()}
    assert {"celery", "flask", "limits", "json"} <= taken
    assert (house.modules() | house.folders()) & taken == set()


def test_no_two_classes_share_a_name():
    places = defaultdict(list)
    for path, node in classes():
        places[node.name].append(str(path))
    assert {name: paths for name, paths in places.items() if len(paths) > 1} == {}


def test_a_method_is_named_check_only_if_a_library_requires_it():
    having = {
        f"{path}:{node.name}"
        for path, node in classes()
        for method in node.body
        if isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef) and method.name == "check"
    }
    assert having == {
        "access/counters.py:RedisCounters",
        "scripts/import_contracts.py:ImportsOnly",
        "scripts/import_contracts.py:NoCycles",
    }
