"""Traces that are off load nothing and pass nothing on."""

import subprocess
import sys

import pytest

from telemetry import traces
from telemetry.origin import UNKNOWN
from tests.support.preloaded import ROOT

LOADED = """
import sys
import {modules}
from telemetry import traces
traces.start("a process", wanted=False)
with traces.serving("GET", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"), traces.span("capture"):
    traces.note(status=200)
print(*sys.modules)
"""


@pytest.mark.parametrize(
    ("modules", "unloaded"),
    [
        ("engine.__main__", ("opentelemetry", "telemetry.tracer", "google.protobuf")),
        # redis-py loads opentelemetry.sdk by itself where that is installed.
        (
            "app, tasks",
            ("opentelemetry.exporter", "opentelemetry.instrumentation", "telemetry.tracer", "google.protobuf"),
        ),
    ],
)
def test_a_process_without_traces_loads_nothing_for_them(modules, unloaded):
    run = [sys.executable, "-c", LOADED.format(modules=modules)]
    loaded = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    assert [name for name in loaded if name.startswith(unloaded)] == []
    assert "telemetry.traces" in loaded


def test_nothing_is_passed_on_and_nothing_logged_without_traces():
    with traces.serving("GET", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"), traces.working("x", UNKNOWN):
        assert (traces.headers(), traces.traceparent(), traces.log_facts()) == ({}, "", {})
