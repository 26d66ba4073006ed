"""Documents, contracts and folders show one house."""

import ast
import re
import sys

from tests.unit.structure import house

DOC = (house.ROOT / "docs/architecture.md").read_text(encoding="utf-8")
CONTRACTS = {contract.get("id"): contract for contract in house.contracts()["contracts"]}


def layers():
    """The layers that import-linter enforces, the lowest first."""
    return [layer.split(" | ") for layer in reversed(CONTRACTS["layers"]["layers"])]


def section(title):
    return re.search(rf"^## {title}\n(.*?)^## ", DOC, flags=re.MULTILINE | re.DOTALL)[1]


def test_the_architecture_page_shows_the_layers_that_are_enforced():
    block = re.search(r"^```\n(.*?)^```", section("Layers"), flags=re.MULTILINE | re.DOTALL)[1]
    assert [line.split() for line in block.splitlines()] == layers()


def test_the_architecture_page_shows_each_module_and_folder_that_there_is():
    cells = re.findall(r"^\| (`[^|]+) \|", section("The house"), flags=re.MULTILINE)
    shown = [name for cell in cells for name in re.findall(r"`([^`]+)`", cell)]
    there = house.modules() | {f"{folder}/" for folder in house.folders() - house.TOOLS - {"demo"}}
    assert sorted(shown) == sorted(there)


def test_every_module_and_folder_has_its_layer():
    assert {name for layer in layers() for name in layer} | {"engine", "demo"} == house.packages()


def test_the_contracts_look_at_every_module_and_folder():
    assert set(house.contracts()["root_packages"]) == house.packages()
    assert set(CONTRACTS["acyclic-folders"]["ancestors"]) == house.folders() - house.TOOLS


def test_each_outside_library_has_an_owner():
    owned = {name for contract in house.contracts()["contracts"] for name in contract.get("protected_modules", ())}
    free = sys.stdlib_module_names | house.packages() | {"structlog", "_typeshed"}  # the log is everybody's
    foreign = {
        (str(path), name) for path, nodes in house.files() for name in imported(nodes) if name not in owned | free
    }
    assert foreign == set()


def imported(nodes):
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module.partition(".")[0]
