"""Addresses of this service in its responses, also where it has a path of another site."""

from urllib.parse import urlsplit

from flask import request


def path_of(path: str, public_url: str | None) -> str:
    """Complete a path of this service by the path below which callers reach it, for `Location`."""
    # A proxy that the operator trusts has named it in X-Forwarded-Prefix; else the setting PUBLIC_URL has.
    return (request.root_path or urlsplit(public_url or "").path) + path


def absolute_url(url: str, public_url: str | None) -> str:
    """Complete the URL of a picture in a local folder, which is a path of this service."""
    return (public_url or base_url()) + url if url.startswith("/") else url


def base_url() -> str:
    """Return the URL by which the caller of the current request has reached this service."""
    return request.root_url.rstrip("/")
