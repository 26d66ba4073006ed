"""Check all imports against the contracts in pyproject.toml: `make lint`.

import-linter reads only packages, but half of the code is single modules at the root. So the linter reads a folder of
links in which `errors.py` is the package `errors`. Every import means the same there.
"""

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    linter = Path(sys.executable).with_name("lint-imports")
    with TemporaryDirectory() as folder:
        link_packages(ROOT, Path(folder))
        # The linter looks for packages in its working directory first.
        command = [str(linter), "--no-logo", "--no-cache", *sys.argv[1:], str(ROOT / "pyproject.toml")]
        return subprocess.run(command, cwd=folder, check=False).returncode


def link_packages(root: Path, folder: Path) -> None:
    for package in root.glob("*/__init__.py"):
        (folder / package.parent.name).symlink_to(package.parent)
    for module in root.glob("*.py"):
        (folder / module.stem).mkdir()
        (folder / module.stem / "__init__.py").symlink_to(module)


if __name__ == "__main__":
    sys.exit(main())
