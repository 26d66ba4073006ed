"""Redis Cluster, which Celery does not support: found when a process starts, or by its errors, and told with what to do."""

from typing import Any

import redis

CODES = ("MOVED", "ASK", "CLUSTERDOWN", "CROSSSLOT")  # of errors that only a server in cluster mode has


class ClusterMode(redis.RedisError):
    """A server runs in cluster mode. The text says what to do about it."""

    def __init__(self, variable: str) -> None:
        super().__init__(advice(variable))


def advice(variable: str) -> str:
    return f"Redis Cluster is not supported: set {variable} to a Redis without cluster mode, or to a service of Redis Sentinel"


def hint_about(error: BaseException) -> dict[str, str]:
    """Return the field `hint` of a log event if `error` is one of a cluster, else nothing."""
    return {"hint": advice("REDIS_URL and STATE_REDIS_URL")} if error_code(error) in CODES else {}


def error_code(error: BaseException) -> str:
    """Return the code with which a server's error begins, and "" for other errors."""
    if not isinstance(error, redis.ResponseError):
        return ""
    return error.status_code or str(error).partition(" ")[0]


def refuse_cluster_mode(client: "redis.Redis", variable: str) -> None:
    """Raise ClusterMode if the server runs in cluster mode. One that does not say so is not judged."""
    try:
        found: Any = client.info("cluster")
    except redis.ResponseError:  # hosted servers may forbid INFO
        return
    if found.get("cluster_enabled") == 1:
        raise ClusterMode(variable)
