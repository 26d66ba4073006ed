"""`GET /health` for load balancers, and `GET /ready` for orchestrators."""

import time
from dataclasses import asdict

from flask import Blueprint, Response, jsonify

from errors import QueueUnavailable
from services import Services
from telemetry import VERSION


def blueprint(services: Services) -> Blueprint:
    views = Blueprint("health", __name__)
    started = time.monotonic()

    @views.after_request
    def forbid_caching(response: Response) -> Response:
        response.headers["Cache-Control"] = "no-store"
        return response

    @views.get("/health")
    def health() -> Response:
        # The last three are what SnapSharp's clients read.
        return jsonify(ok=True, status="ok", version=VERSION, uptime=round(time.monotonic() - started, 1))

    @views.get("/ready")
    def ready() -> tuple[Response, int]:
        states = services.ready()
        ok = all(state == "ok" for state in states.values())
        # Limits are counted in the state, and in memory while it is unreachable.
        limits = "redis" if states["state"] == "ok" else "memory"
        # Without originals, pictures cost more captures. The service still works, so it stays ready.
        originals = "ok" if services.originals_store.works() else "unavailable"
        # So it does without the catalogue.
        database = services.database.state()
        more = {"limits": limits, "originals": originals, "database": database, "jobs": _jobs(services)}
        return jsonify(ok=ok, **more, **states), 200 if ok else 503

    return views


def _jobs(services: Services) -> dict[str, object] | str:
    """Describe the queues, for people and alerts. A long queue does not make the web process unready."""
    try:
        return asdict(services.jobs.store.stats())
    except QueueUnavailable:
        return "unreachable"
