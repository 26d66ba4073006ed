"""Every part of the benchmark can be loaded: no other test runs it."""

import importlib
import pkgutil

import pytest

import bench

NEEDS_ARGUMENTS = {"bare_app", "tutorial_app"}  # applications of a web server, which sets their environment
MODULES = [each.name for each in pkgutil.iter_modules(bench.__path__) if each.name not in NEEDS_ARGUMENTS]


@pytest.mark.parametrize("name", MODULES)
def test_a_module_of_the_benchmark_is_importable(name):
    importlib.import_module(f"bench.{name}")
