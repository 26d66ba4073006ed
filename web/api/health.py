"""`GET /health` for load balancers, `GET /ready` for orchestrators."""

from dataclasses import asdict

from flask import Blueprint, Response, jsonify

from errors import QueueUnavailable
from services import Services


def blueprint(services: Services) -> Blueprint:
    views = Blueprint("health", __name__)

    @views.after_request
    def never_cached(response: Response) -> Response:
        response.headers["Cache-Control"] = "no-store"
        return response

    @views.get("/health")
    def health() -> Response:
        return jsonify(ok=True)

    @views.get("/ready")
    def ready() -> tuple[Response, int]:
        states = services.ready()
        ok = all(states.values())
        # Limits are counted where the cache is, and in memory while it is away.
        described = {name: "ok" if works else "unreachable" for name, works in states.items()}
        limits = "redis" if states["redis"] else "memory"
        return jsonify(ok=ok, limits=limits, jobs=_jobs(services), **described), 200 if ok else 503

    return views


def _jobs(services: Services) -> dict[str, object] | str:
    """Tell where jobs stand. For people and alarms: a long queue makes no web process unready."""
    try:
        return asdict(services.jobs.store.stats())
    except QueueUnavailable:
        return "unreachable"
