"""The caches in front that are purged over HTTP, by tags: Fastly, Cloudflare, and all that know the method PURGE."""

from collections.abc import Mapping

import requests

from purge.front import NotConfirmed

_SECONDS = 5.0
_CLOUDFLARE_AT_ONCE = 30  # tags: https://developers.cloudflare.com/cache/how-to/purge-cache/purge-by-tags/
_FASTLY_AT_ONCE = 256  # https://www.fastly.com/documentation/reference/api/purging/
_PURGE_AT_ONCE = 100  # so that the header stays below 4 kB


class Fastly:
    """Purges by surrogate keys: https://www.fastly.com/documentation/reference/api/purging/."""

    name = kind = "fastly"
    at_once = _FASTLY_AT_ONCE

    def __init__(self, service_id: str, token: str, base_url: str = "https://api.fastly.com") -> None:
        self._url = f"{base_url}/service/{service_id}/purge"
        self._headers = {"Fastly-Key": token, "Accept": "application/json"}

    def purge(self, moments: Mapping[str, float]) -> None:
        _send("POST", self._url, self._headers, {"surrogate_keys": [*moments]})


class Cloudflare:
    """Purges by cache tags: https://developers.cloudflare.com/api/resources/cache/methods/purge/."""

    name = kind = "cloudflare"
    at_once = _CLOUDFLARE_AT_ONCE

    def __init__(self, zone_id: str, token: str, base_url: str = "https://api.cloudflare.com/client/v4") -> None:
        self._url = f"{base_url}/zones/{zone_id}/purge_cache"
        self._headers = {"Authorization": f"Bearer {token}"}

    def purge(self, moments: Mapping[str, float]) -> None:
        answer = _send("POST", self._url, self._headers, {"tags": [*moments]})
        if answer.get("success") is not True:
            raise NotConfirmed("the answer says no success")


class PurgeMethod:
    """Sends `PURGE`, with the tags in the headers that Varnish (`xkey-purge`) and others read."""

    kind = "purge_urls"
    at_once = _PURGE_AT_ONCE

    def __init__(self, url: str) -> None:
        self.name = url
        self._url = url

    def purge(self, moments: Mapping[str, float]) -> None:
        keys = " ".join(moments)
        _send("PURGE", self._url, {"Surrogate-Key": keys, "xkey-purge": keys, "Cache-Tag": ",".join(moments)}, None)


def _send(method: str, url: str, headers: Mapping[str, str], body: object) -> Mapping[str, object]:
    """Return the JSON of a successful answer, or {} if it has none. Raises NotConfirmed."""
    try:
        answer = requests.request(
            method, url, headers=dict(headers), json=body, timeout=_SECONDS, allow_redirects=False
        )
    except requests.RequestException as err:
        raise NotConfirmed(type(err).__name__) from None  # whose text holds the address
    if not answer.ok or answer.is_redirect:
        raise NotConfirmed(f"status {answer.status_code}")
    try:
        found = answer.json()
    except ValueError:
        return {}
    return found if isinstance(found, Mapping) else {}
