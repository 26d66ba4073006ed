"""Write which parts an image has, and their licences: the Dockerfile runs this in each image.

`python image_parts.py PYTHON.json FOLDER` adds the interpreter and Debian's packages to the CycloneDX list of Python packages
that `cyclonedx-py environment` has written. It writes `sbom.json` and `licences.txt` into the folder. Needs no package.
"""

import json
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

_TROVE = "License :: OSI Approved :: "


def main() -> None:
    listed, folder = Path(sys.argv[1]), Path(sys.argv[2])
    parts: dict[str, Any] = json.loads(listed.read_text(encoding="utf-8"))
    parts["components"] += [_interpreter(), *_debian_packages()]
    (folder / "sbom.json").write_text(json.dumps(parts), encoding="utf-8")
    lines = sorted(f"{each['name']} {each['version']}: {_licence(each)}\n" for each in parts["components"])
    (folder / "licences.txt").write_text("".join(lines), encoding="utf-8")


def _interpreter() -> dict[str, Any]:
    version = platform.python_version()
    return {
        "type": "platform",
        "bom-ref": f"python=={version}",
        "name": "python",
        "version": version,
        "licenses": [{"license": {"id": "PSF-2.0"}}],
    }


def _debian_packages() -> list[dict[str, Any]]:
    """Describe the installed packages. Their licences are files, since Debian names no identifiers."""
    if not shutil.which("dpkg-query"):
        return []
    ask = ["dpkg-query", "--show", "--showformat", "${binary:Package}\t${Version}\t${Architecture}\n"]
    rows = subprocess.run(ask, check=True, capture_output=True, text=True).stdout.splitlines()
    return [_debian_package(*row.split("\t")) for row in rows]


def _debian_package(package: str, version: str, architecture: str) -> dict[str, Any]:
    name = package.partition(":")[0]
    return {
        "type": "library",
        "bom-ref": f"debian:{package}=={version}",
        "name": name,
        "version": version,
        "purl": f"pkg:deb/debian/{quote(name, safe='')}@{quote(version, safe='')}?arch={architecture}",
        "licenses": [{"license": {"name": f"see /usr/share/doc/{name}/copyright"}}],
    }


def _licence(part: dict[str, Any]) -> str:
    """Return the licences of a part in one line: SPDX identifiers where it has them, else what it calls them."""
    expressions = [each["expression"] for each in part.get("licenses", ()) if "expression" in each]
    licences = [each["license"] for each in part.get("licenses", ()) if "license" in each]
    ids = [each["id"] for each in licences if "id" in each]
    names = [each["name"].removeprefix(_TROVE).splitlines()[0] for each in licences if each.get("name", "").strip()]
    return ", ".join(dict.fromkeys(expressions or ids or names)) or "not declared; see its package"


if __name__ == "__main__":
    main()
