"""The caches in front that are purged over HTTP, by tags: Fastly, Cloudflare, and all that know the method PURGE."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import requests
import structlog

_SECONDS = 5.0
_CLOUDFLARE_AT_ONCE = 30  # tags: https://developers.cloudflare.com/cache/how-to/purge-cache/purge-by-tags/
_FASTLY_AT_ONCE = 256  # https://www.fastly.com/documentation/reference/api/purging/
_PURGE_AT_ONCE = 100  # so that the header stays below 4 kB
_log = structlog.get_logger()


class CdnFailed(Exception):
    """The cache did not confirm the purge of the tags that are `left`. The text is for the log."""

    def __init__(self, reason: str, left: Sequence[str] = ()) -> None:
        super().__init__(reason)
        self.left = left


class Cdn(Protocol):
    @property
    def name(self) -> str:
        """Tells it from the others, in settings and reports."""

    def purge(self, tags: Sequence[str]) -> None:
        """Remove all stored answers with one of `tags`. Raises CdnFailed."""


class Fastly:
    """Purges by surrogate keys: https://www.fastly.com/documentation/reference/api/purging/."""

    name = "fastly"

    def __init__(self, service_id: str, token: str, base_url: str = "https://api.fastly.com") -> None:
        self._url = f"{base_url}/service/{service_id}/purge"
        self._headers = {"Fastly-Key": token, "Accept": "application/json"}

    def purge(self, tags: Sequence[str]) -> None:
        _in_batches(tags, _FASTLY_AT_ONCE, self._purge)

    def _purge(self, some: Sequence[str]) -> None:
        _send("POST", self._url, self._headers, {"surrogate_keys": list(some)})


class Cloudflare:
    """Purges by cache tags: https://developers.cloudflare.com/api/resources/cache/methods/purge/."""

    name = "cloudflare"

    def __init__(self, zone_id: str, token: str, base_url: str = "https://api.cloudflare.com/client/v4") -> None:
        self._url = f"{base_url}/zones/{zone_id}/purge_cache"
        self._headers = {"Authorization": f"Bearer {token}"}

    def purge(self, tags: Sequence[str]) -> None:
        _in_batches(tags, _CLOUDFLARE_AT_ONCE, self._purge)

    def _purge(self, some: Sequence[str]) -> None:
        answer = _send("POST", self._url, self._headers, {"tags": list(some)})
        if answer.get("success") is not True:
            raise CdnFailed("the answer says no success")


class PurgeMethod:
    """Sends `PURGE`, with the tags in the headers that Varnish (`xkey-purge`) and others read."""

    def __init__(self, url: str) -> None:
        self.name = url
        self._url = url

    def purge(self, tags: Sequence[str]) -> None:
        _in_batches(tags, _PURGE_AT_ONCE, self._purge)

    def _purge(self, some: Sequence[str]) -> None:
        keys = " ".join(some)
        _send("PURGE", self._url, {"Surrogate-Key": keys, "xkey-purge": keys, "Cache-Tag": ",".join(some)}, None)


def _in_batches(tags: Sequence[str], size: int, purge: Callable[[Sequence[str]], None]) -> None:
    """Purge `size` tags at a time. Raises CdnFailed with those that are left: a long list ends although it is interrupted."""
    for start in range(0, len(tags), size):
        try:
            purge(tags[start : start + size])
        except CdnFailed as err:
            raise CdnFailed(str(err), tags[start:]) from None


def _send(method: str, url: str, headers: Mapping[str, str], body: object) -> Mapping[str, object]:
    """Return the JSON of a successful answer, or {} if it has none. Raises CdnFailed."""
    try:
        answer = requests.request(
            method, url, headers=dict(headers), json=body, timeout=_SECONDS, allow_redirects=False
        )
    except requests.RequestException as err:
        raise CdnFailed(type(err).__name__) from None  # whose text holds the address
    if not answer.ok or answer.is_redirect:
        raise CdnFailed(f"status {answer.status_code}")
    try:
        found = answer.json()
    except ValueError:
        return {}
    return found if isinstance(found, Mapping) else {}
