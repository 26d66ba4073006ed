"""Pages whose callers wrote no scheme: https is tried first, then http if nothing answers there. The answer is remembered.

Each of the two is a page of its own, with its own keys: no caller of the one is shown the other.
"""

import threading
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

from cachetools import TTLCache

from coordination import CacheRedis
from errors import (
    CertificateInvalid,
    ConnectionRefused,
    ConnectionReset,
    ErrorStatus,
    SiteUnreachable,
    TLSFailed,
)
from model import ThumbnailRequest
from thumbnails.ask import Ask, ChargedOnce
from thumbnails.served import CacheState, Served
from urls import over_http

# A server that answers, with whatever status, is there. One whose certificate is not valid shows a browser no page.
NOTHING_ANSWERS = (CertificateInvalid, TLSFailed, ConnectionRefused, ConnectionReset, SiteUnreachable)
_REMEMBERED = 86_400  # seconds, for a host that has answered by http
_ASSUMED = 600  # seconds, while it is not known yet whether it will
_TRUSTED = 10.0  # seconds, for which a process does not ask Redis again
_HTTP = b"http"


class Schemes:
    def __init__(self, shared: CacheRedis) -> None:
        self._client = shared.client
        self._breaker = shared.breaker
        self._keys = shared.keys
        self._known: TTLCache[str, bool] = TTLCache(4096, _TRUSTED)  # whether a host is one of http
        self._lock = threading.Lock()

    def settle(self, request: ThumbnailRequest) -> ThumbnailRequest:
        """Return the request by http if that is known of its host. A `fresh` one tries https again."""
        if not request.delivery.http_too or request.delivery.fresh or not self._is_of_http(request):
            return request
        return _over_http(request)

    def first_that_answers(self, ask: Ask, get: Callable[[Ask], Served]) -> Served:
        """Get by https, then by http if nothing answers. The caller is charged for one capture. Raises what `get` raises."""
        ask = replace(ask, request=self.settle(ask.request), charge=ChargedOnce(ask.charge))
        if ask.request.target.scheme == "http":
            return self._by_http(ask, get)
        try:
            return get(ask)
        except NOTHING_ANSWERS as err:
            refusal = err
        self._remember(ask.request, _ASSUMED)
        try:
            return self._by_http(replace(ask, request=_over_http(ask.request)), get)
        except NOTHING_ANSWERS:
            raise refusal from None

    def _by_http(self, ask: Ask, get: Callable[[Ask], Served]) -> Served:
        try:
            served = get(ask)
        except NOTHING_ANSWERS:
            self._forget(ask.request)
            raise
        except ErrorStatus:
            self._remember(ask.request, _REMEMBERED)
            raise
        if served.cache is not CacheState.STALE:
            self._remember(ask.request, _REMEMBERED)
        return served

    def _is_of_http(self, request: ThumbnailRequest) -> bool:
        host = request.target.netloc
        with self._lock:
            known = self._known.get(host)
        if known is None:
            name = self._keys.scheme(host)
            value, _ = self._breaker.call("cache_unreachable", lambda: self._client.get(name))
            known = self._note(host, of_http=value == _HTTP)
        return known

    def _remember(self, request: ThumbnailRequest, seconds: int) -> None:
        host = request.target.netloc
        self._note(host, of_http=True)
        self._breaker.call("cache_unreachable", lambda: self._client.set(self._keys.scheme(host), _HTTP, ex=seconds))

    def _forget(self, request: ThumbnailRequest) -> None:
        host = request.target.netloc
        self._note(host, of_http=False)
        self._breaker.call("cache_unreachable", lambda: self._client.delete(self._keys.scheme(host)))

    def _note(self, host: str, *, of_http: bool) -> bool:
        with self._lock:
            self._known[host] = of_http
        return of_http


@lru_cache(maxsize=1024)  # a request's keys are hashes, and every hit needs them
def _over_http(request: ThumbnailRequest) -> ThumbnailRequest:
    target = over_http(request.target)
    return replace(request, capture=replace(request.capture, target=target))
