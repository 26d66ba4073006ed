"""`make lint` sees an import that breaks a contract."""

import re
import shutil
import subprocess
import sys

import pytest

from tests.unit.structure import house

CONTRACTS = house.contracts()["contracts"]
# One import for each kind of contract; errors.py, the lowest module, imports what only an owner may.
OWNED = [name for contract in CONTRACTS for name in contract.get("protected_modules", ())]
PLANTED = {
    "errors.py": f"import app, {', '.join(OWNED)}",
    "tasks.py": "import web.api",
    "web/http/bodies.py": "import web.api",
    "engine/errors.py": "import engine.app, errors",
    "demo/__init__.py": "import errors",
}


@pytest.fixture
def lint(tmp_path, monkeypatch):
    """A copy of the house, and what the linter says to it."""
    monkeypatch.setenv("COLUMNS", "200")  # a contract and its verdict on one line
    for name in house.folders() - {"bench", "deploy", "docs", "tests"}:
        shutil.copytree(house.ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for path in (*house.ROOT.glob("*.py"), house.ROOT / "pyproject.toml"):
        shutil.copy(path, tmp_path)

    def run():
        return subprocess.run(
            [sys.executable, "-m", "scripts.lint_imports"], cwd=tmp_path, capture_output=True, text=True, check=False
        )

    return run


def verdicts(done):
    return dict(re.findall(r"^(.+) (KEPT|BROKEN)$", done.stdout, flags=re.MULTILINE))


def test_the_house_keeps_its_contracts_and_each_of_them_can_be_broken(lint, tmp_path):
    names = [contract["name"] for contract in CONTRACTS]
    done = lint()
    assert verdicts(done) == dict.fromkeys(names, "KEPT"), done.stdout
    assert done.returncode == 0
    for name, planted in PLANTED.items():
        path = tmp_path / name
        path.write_text(f"{path.read_text(encoding='utf-8')}\n{planted}\n", encoding="utf-8")
    done = lint()
    assert verdicts(done) == dict.fromkeys(names, "BROKEN"), done.stdout
    assert done.returncode == 1


def test_a_package_that_is_imported_by_its_own_module_is_a_cycle(lint, tmp_path):
    package = tmp_path / "images" / "__init__.py"
    package.write_text("from images import cpu\n", encoding="utf-8")
    module = tmp_path / "images" / "cpu.py"
    module.write_text(f"{module.read_text(encoding='utf-8')}\nfrom images import JOBS\n", encoding="utf-8")
    done = lint()
    assert [name for name, verdict in verdicts(done).items() if verdict == "BROKEN"] == [
        "No module imports itself through others"
    ]
    assert re.search("A cycle: images(.cpu)? is imported by images(.cpu)?", done.stdout)
