"""The header `Prefer`, in the spellings of RFC 7240."""

import pytest

from web.http.preferences import Preferences


@pytest.mark.parametrize(
    ("header", "respond_async", "wait"),
    [
        ("", False, 0),
        ("return=minimal", False, 0),
        ("respond-async", True, 0),
        ("respond-async, wait=10", True, 10),
        ("wait=10, Respond-Async", True, 10),
        ('RESPOND-ASYNC;foo="some, thing", Wait = "7"; bar', True, 7),
        ('respond-async="", wait=5, wait=9', True, 5),
        ("respond-async, wait=0", True, 0),
        ("respond-async, wait=121", True, 120),
        ("respond-async, wait=99999999999999999999", True, 0),
        ("respond-async, wait=-1", True, 0),
        ("respond-async, wait=1.5", True, 0),
        ("respond-async, wait=", True, 0),
        ("respond-async, wait=\u0665", True, 0),
        ("respond-async; wait=10", True, 0),
        ("respond-asynchronously, wait=10", False, 10),
    ],
)
def test_a_preference_is_read_and_a_malformed_one_is_ignored(header, respond_async, wait):
    assert Preferences.of(header) == Preferences(respond_async, wait)
