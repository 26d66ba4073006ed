"""The table of keys in the docs is that of the code, and no other module names a key."""

import inspect
import re
from pathlib import Path

import pytest

from coordination import CacheKeys, StateKeys
from tests.support import redis_keys

ROOT = Path(__file__).parents[3]


def names(keys):
    """Call each method with the names of its parameters, in angle brackets."""
    methods = [method for name, method in inspect.getmembers(keys, inspect.ismethod) if not name.startswith("_")]
    return {
        method(*(f"<{name.strip('_')}>" for name in inspect.signature(method).parameters)).partition(":")[2]
        for method in methods
    }


@pytest.mark.parametrize(("server", "keys"), [("cache", CacheKeys()), ("state", StateKeys())])
def test_the_table_of_keys_is_that_of_the_code(server, keys):
    told = [row.name for row in redis_keys.rows() if server in row.servers]
    assert len(told) == len(set(told))
    assert set(told) == names(keys)


def test_the_two_servers_can_be_one():
    assert names(CacheKeys()) & names(StateKeys()) == {"ready"}


def test_a_prefix_begins_every_name():
    one, other = StateKeys("one"), StateKeys("other")
    assert names(one) == names(other)
    assert (one.job("1"), other.job("1")) == ("one:{jobs}:job:1", "other:{jobs}:job:1")


def test_no_other_module_names_a_key():
    code = [path for path in ROOT.glob("*/*.py") if path.parent.name not in ("tests", "bench", ".venv")]
    named = re.compile(r"""["']thumb:|:\{+(?:jobs|captures|idempotency)\}""")
    found = [path.relative_to(ROOT) for path in [*code, *ROOT.glob("*.py")] if named.search(path.read_text())]
    assert found == [Path("coordination/keys.py")]
