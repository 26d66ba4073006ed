"""The images list their parts and licences: scripts/image_parts.py, with what `cyclonedx-py` writes."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packaging.requirements import Requirement

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[3]
PYTHON_LIST = {
    "bomFormat": "CycloneDX",
    "specVersion": "1.6",
    "version": 1,
    "components": [
        {
            "type": "library",
            "name": "flask",
            "version": "3.1",
            "bom-ref": "flask",
            "licenses": [
                {"license": {"name": "License :: OSI Approved :: BSD License"}},
                {"license": {"id": "BSD-3-Clause"}},
            ],
        },
        {
            "type": "library",
            "name": "odd",
            "version": "1",
            "bom-ref": "odd",
            "licenses": [{"license": {"name": "MIT\nCopyright 2020"}}],
        },
        {"type": "library", "name": "mute", "version": "2", "bom-ref": "mute"},
        {
            "type": "library",
            "name": "both",
            "version": "3",
            "bom-ref": "both",
            "licenses": [{"expression": "MIT OR Apache-2.0"}],
        },
    ],
}


def written(folder, listed):
    (folder / "python.json").write_text(json.dumps(listed), encoding="utf-8")
    script = ROOT / "scripts" / "image_parts.py"
    subprocess.run([sys.executable, "-I", script, folder / "python.json", folder], check=True)
    return (folder / "sbom.json").read_text(encoding="utf-8"), (folder / "licences.txt").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def in_this_environment(tmp_path_factory):
    """What the Dockerfile makes of an environment: this one, which has all that the images have."""
    folder = tmp_path_factory.mktemp("parts")
    tool = Path(sys.executable).with_name("cyclonedx-py")
    options = ["--output-reproducible", "--no-validate", "--output-file", folder / "python.json"]
    subprocess.run([tool, "environment", *options, sys.executable], check=True, capture_output=True)
    return written(folder, json.loads((folder / "python.json").read_text(encoding="utf-8")))


def locked():
    entries = re.findall(
        r"^([a-z0-9][^\\\n]*?) \\$", (ROOT / "requirements.txt").read_text(encoding="utf-8"), re.MULTILINE
    )
    requirements = [Requirement(entry) for entry in entries]
    return {
        (each.name, str(each.specifier).removeprefix("=="))
        for each in requirements
        if each.marker is None or each.marker.evaluate()
    }


def plain(name):
    """The name of a package as indexes compare it: PEP 503."""
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_list_names_every_locked_requirement_in_its_version(in_this_environment):
    parts = json.loads(in_this_environment[0])["components"]
    listed = {(plain(each["name"]), each["version"]) for each in parts}
    assert len(locked()) > 60
    assert {(plain(name), version) for name, version in locked()} - listed == set()


def test_every_locked_requirement_has_a_licence(in_this_environment):
    lines = dict(line.split(": ", 1) for line in in_this_environment[1].splitlines())
    known = {plain(name.split(" ")[0]): licence for name, licence in lines.items()}
    mute = [name for name, _ in locked() if known[plain(name)].startswith("not declared")]
    assert mute == [], "say in docs/operations/images.md what its licence is"


def test_the_list_is_valid_with_what_is_added(tmp_path):
    sbom, _ = written(tmp_path, PYTHON_LIST)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(sbom) is None


def test_a_licence_is_named_in_one_line_as_exactly_as_the_package_does(tmp_path):
    _, licences = written(tmp_path, PYTHON_LIST)
    lines = licences.splitlines()
    for line in (
        "flask 3.1: BSD-3-Clause",
        "odd 1: MIT",
        "mute 2: not declared; see its package",
        "both 3: MIT OR Apache-2.0",
    ):
        assert line in lines
    assert f"python {'.'.join(map(str, sys.version_info[:3]))}: PSF-2.0" in lines


@pytest.mark.skipif(not shutil.which("dpkg-query"), reason="not Debian")
def test_debians_packages_are_listed_with_their_versions(tmp_path):
    sbom, licences = written(tmp_path, PYTHON_LIST)
    version = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Version}", "dpkg"], check=True, capture_output=True, text=True
    ).stdout
    (part,) = [each for each in json.loads(sbom)["components"] if each["name"] == "dpkg"]
    assert part["version"] == version
    assert part["purl"].startswith(f"pkg:deb/debian/dpkg@{version}?arch=")
    assert f"dpkg {version}: see /usr/share/doc/dpkg/copyright" in licences


@pytest.mark.parametrize("stage", ["web", "engine"])
def test_each_image_makes_its_lists_after_all_packages_are_installed(stage):
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    steps = re.split(r"^FROM .* AS ", text, flags=re.MULTILINE)
    (own,) = [step for step in steps if step.startswith(f"{stage}\n")]
    assert "python /tmp/image_parts.py /tmp/python.json /app" in own
    assert own.index("image_parts.py /tmp/python.json /app") > own.rfind("apt-get install")
    assert own.index("image_parts.py /tmp/python.json /app") < own.index("USER ")


def test_both_images_are_built_for_both_processors():
    bake = json.loads((ROOT / "deploy" / "bake.json").read_text(encoding="utf-8"))
    assert bake["target"]["both"]["platforms"] == ["linux/amd64", "linux/arm64"]
    for name in bake["group"]["default"]["targets"]:
        assert bake["target"][name] == {
            "inherits": ["both"],
            "target": name,
            "tags": [f"${{REGISTRY}}thumbnails-{name}:${{TAG}}"],
        }
    assert not re.search(
        r"amd64|x86_64|aarch64",
        re.sub(r"^#.*", "", (ROOT / "Dockerfile").read_text(encoding="utf-8"), flags=re.MULTILINE),
    )
