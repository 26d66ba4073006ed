"""Warns if a Redis that fills up would evict what must be kept, or refuse what may be evicted."""

from dataclasses import dataclass
from typing import Any

import redis
import structlog

from coordination.connections import Connections

KEEPS_ALL = "noeviction"
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Server:
    """A running Redis: the id of its process, and its eviction policy. "" if it is away, or hides them."""

    run_id: str = ""
    policy: str = ""


def warn_about_full_redis(connections: Connections) -> None:
    """Ask both servers for their policies, and warn about those that do not fit. A policy that is not told is not judged."""
    cache, state = _server(connections.cache.client), _server(connections.state.client)
    same_server = cache.run_id != "" and cache.run_id == state.run_id
    if connections.shared or same_server:
        _warn_about_one(state.policy)
        return
    if state.policy not in ("", KEEPS_ALL):
        hint = f"set the maxmemory-policy of STATE_REDIS_URL to {KEEPS_ALL}"
        _log.warning("state_evictable", redis="state", policy=state.policy, hint=hint)
    if cache.policy == KEEPS_ALL:
        hint = "set the maxmemory-policy of REDIS_URL to allkeys-lru"
        _log.warning("cache_unevictable", redis="cache", policy=cache.policy, hint=hint)


def _warn_about_one(policy: str) -> None:
    evicts, refuses = "limits and jobs are evicted with pictures", "limits, jobs and pictures are refused"
    risk = {"": f"{evicts}, or {refuses}, by its policy", KEEPS_ALL: refuses}.get(policy, evicts)
    hint = f"set STATE_REDIS_URL to another Redis, with maxmemory-policy {KEEPS_ALL}"
    _log.warning("redis_shared", policy=policy, when_full=risk, hint=hint)


def _server(client: Any) -> _Server:
    try:
        run_id = str(client.info("server")["run_id"])
    except (redis.RedisError, KeyError):
        return _Server()
    try:
        return _Server(run_id, client.config_get("maxmemory-policy").get("maxmemory-policy", ""))
    except redis.RedisError:
        return _Server(run_id, "")
