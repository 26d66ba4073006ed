"""Parse every YAML, TOML and JSON file that a deployment reads: `make lint`."""

import json
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import yaml

PARSERS: dict[str, Callable[[str], object]] = {
    ".yml": yaml.safe_load,
    ".yaml": yaml.safe_load,
    ".toml": tomllib.loads,
    ".json": json.loads,
}


def main() -> int:
    files = [Path("docker-compose.yml"), Path("pyproject.toml"), *sorted(Path("deploy").rglob("*"))]
    # Helm's templates are no YAML yet; tests render them.
    return sum(fails_to_parse(path) for path in files if path.suffix in PARSERS and "templates" not in path.parts)


def fails_to_parse(path: Path) -> bool:
    try:
        PARSERS[path.suffix](path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, ValueError) as err:
        print(f"{path}: {err}", file=sys.stderr)
        return True
    print(f"{path}: parses")
    return False


if __name__ == "__main__":
    sys.exit(main())
