"""Renders and lints the Helm chart with Helm's own library.

`python -m tests.support.helm` reads a list of values from its standard input, and writes what Helm made of each. A process of
its own keeps the library's Go runtime, with its signal handlers, out of the process that runs the tests.
"""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy" / "helm"
HAS_HELM = find_spec("helm_python") is not None  # there are wheels for Linux on amd64 alone


class Rendered:
    """What Helm made of some values: `objects`, by kind and the end of their name, and `notes`; or else `error`."""

    def __init__(self, files, error):
        self.error = error
        self.notes = files.pop("thumbnails/templates/NOTES.txt", "")
        documents = [each for text in files.values() for each in yaml.safe_load_all(text)]
        self.objects = [each for each in documents if each]

    def __getitem__(self, key):
        kind, part = key
        (found,) = [each for each in self.objects if each["kind"] == kind and _part(each) == part]
        return found

    def parts(self, kind):
        return {_part(each) for each in self.objects if each["kind"] == kind}

    def pods(self):
        """Map each part to the specification of its pods."""
        return {
            _part(each): each["spec"]["template"]["spec"] for each in self.objects if "template" in each.get("spec", {})
        }


def rendered(values):
    """Render the chart with each of the `values`, as the release `try` in the namespace `pictures`."""
    return [Rendered(each["files"], each["error"]) for each in _ask(values)["rendered"]]


def lint():
    """Return what `helm lint --strict` says of the chart."""
    return _ask([])["lint"]


def _ask(values):
    command = [sys.executable, "-m", "tests.support.helm"]
    done = subprocess.run(command, input=json.dumps(values), cwd=ROOT, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def _part(each):
    return each["metadata"]["labels"]["app.kubernetes.io/component"]


def _answer():
    import helm_python

    with helm_python.Chart.load(CHART) as chart:
        answers = [_rendered(helm_python, chart, values) for values in json.load(sys.stdin)]
    json.dump({"rendered": answers, "lint": helm_python.lint(CHART, strict=True)}, sys.stdout)


def _rendered(helm_python, chart, values):
    try:
        chart.validate_schema(values)
        return {"files": chart.render(values, name="try", namespace="pictures"), "error": ""}
    except helm_python.HelmError as err:
        return {"files": {}, "error": str(err)}


if __name__ == "__main__":
    _answer()
