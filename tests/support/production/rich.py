"""Hides `rich` from the processes that the tests start. Put this folder on PYTHONPATH.

`make lint` brings it, and production has none. structlog imports it where it is found, which takes a fifth of a start.
"""

raise ImportError("production has no rich")
