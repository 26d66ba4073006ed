"""The modules on which the service's security depends, and their tests. This import starts to measure coverage."""

from pathlib import Path

from tests.support.guard_coverage import GuardCoverage

GUARDS = (
    "netguard/addresses.py",
    "netguard/guard.py",
    "netguard/resolver.py",
    "urls.py",
    "engine/egress/bucket.py",
    "engine/egress/proxy.py",
    "engine/egress/gate.py",
    "engine/egress/listeners.py",
    "engine/egress/lookups.py",
    "engine/outlet/server.py",
    "engine/egress/relay.py",
    "engine/egress/socks.py",
    "engine/egress/upstream.py",
)
TESTS = (
    "tests/unit/netguard/test_netguard.py",
    "tests/unit/urls/test_url_guard.py",
    "tests/engine/egress/test_egress.py",
    "tests/engine/outlet/test_outlet.py",
)
MEASURED = GuardCoverage(Path(__file__).parents[2], GUARDS, TESTS)
