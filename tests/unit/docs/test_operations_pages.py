"""The values on docs/operations/kubernetes.md are accepted by the chart."""

import re
import textwrap
from pathlib import Path

import pytest
import yaml

from tests.support.helm import HAS_HELM, rendered

PAGE = (Path(__file__).parents[3] / "docs" / "operations" / "kubernetes.md").read_text(encoding="utf-8")


def values():
    blocks = re.findall(r"<!-- values: .*? -->\n *```yaml\n(.*?) *```", PAGE, re.DOTALL)
    return [yaml.safe_load(textwrap.dedent(block)) for block in blocks]


@pytest.mark.skipif(not HAS_HELM, reason="no wheel of Helm's library for this machine")
def test_the_values_on_the_page_are_accepted():
    charts = rendered(values())
    assert [chart.error for chart in charts] == ["", "", ""]
    assert charts[0]["Ingress", "web"]["spec"]["rules"][0]["host"] == "thumbs.example.com"
    assert charts[1].parts("HorizontalPodAutoscaler") == {"web"}
    assert charts[2].parts("PodMonitor") == charts[2].parts("PrometheusRule") == {"monitoring"}
