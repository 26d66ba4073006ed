"""Hides `valkey` from the processes that the tests start. Put this folder on PYTHONPATH.

The Valkey server of the tests brings it, and production has none. limits imports it where it is found.
"""

raise ImportError("production has no valkey")
