"""The version of the service."""

VERSION = "0.1.0"  # as in pyproject.toml, which is not installed everywhere
