"""An explanation in JSON's types, for programs."""

import time
from datetime import UTC, datetime
from typing import Any

from access import BudgetUsage
from capture import ApiState, HostUse
from coordination import FlightState
from model import Key
from thumbnails.explanation import Explanation
from thumbnails.failures import PastFailure
from thumbnails.findings import CacheLevels, Level, Permission
from thumbnails.forecast import Forecast


def describe(explained: Explanation) -> dict[str, Any]:
    """Return an explanation in JSON's types."""
    found = explained.found
    request = found.request
    return {
        "url": request.target.url,
        "options": found.options,
        "private": request.private,
        "keys": {"capture": _key(request.capture_key), "rendition": _key(request.rendition_key)},
        "request": _forecast(explained.forecast),
        "cache": _cache(found.levels),
        "guard": {
            "verdict": found.guard.verdict,
            "allowed": found.guard.allowed,
            "addresses": list(found.guard.addresses),
            "judged_here": found.guard.judged_here,
        },
        "access": {
            "target": _permission_text(found.target),
            "size": _permission_text(found.size),
            "signature_needed": found.signature_needed,
        },
        "client": found.client,
        "budgets": {name: [*map(_usage, windows)] for name, windows in found.budgets.items()},
        "apis": [_api(each) for each in found.apis],
        "flight": _flight(found.flight),
        "host": _host(found.host),
        "failures": [*map(_past_failure, found.failures)],
    }


def _forecast(forecast: Forecast) -> dict[str, object]:
    return {
        "x_cache": forecast.cache and str(forecast.cache),
        "code": forecast.code or None,
        "why": forecast.why,
        "captures": forecast.captures,
        "renditions": forecast.renditions,
        "api": forecast.api or None,
        "price": f"{forecast.price:f}",
    }


def _cache(levels: CacheLevels) -> dict[str, object]:
    note, failure = levels.note, levels.failure
    return {
        "reachable": levels.reachable,
        "memory": _level(levels.memory),
        "rendition": _level(levels.rendition),
        "note": note
        and {
            "captured_at": note.captured_at.isoformat(),
            "suspect": note.suspect,
            "shows_error": note.shows_error,
            "kept_for": levels.note_kept_for,
        },
        "original_in_memory": _level(levels.original_in_memory),
        "original": _level(levels.original),
        "originals": levels.originals,
        "purged_before": levels.purged_before and levels.purged_before.isoformat(),
        "failure": failure
        and {
            "code": failure.error.code,
            "reason": failure.error.detail,
            "at": datetime.fromtimestamp(failure.at, UTC).isoformat(),
            "seconds_left": failure.error.retry_after,
        },
        "nginx": "not seen from here",
    }


def _usage(usage: BudgetUsage) -> dict[str, object]:
    return {"limit": usage.limit, "window": usage.window, "remaining": usage.remaining, "reset": usage.seconds}


def _flight(flight: FlightState) -> dict[str, object]:
    holder = flight.holder
    return {
        "here": flight.here,
        "elsewhere": flight.elsewhere,
        "machine": holder and holder.machine,
        "process": holder and holder.process,
        "seconds": holder and round(max(time.time() - holder.since, 0), 1),
    }


def _host(host: HostUse) -> dict[str, object]:
    return {
        "at_once": host.at_once,
        "running": host.running,
        "waiting": host.waiting,
        "rates": [
            {
                "limit": each.limit,
                "window": each.window,
                "remaining": max(each.limit - each.count, 0),
                "reset": each.reset,
            }
            for each in host.rates
        ],
    }


def _past_failure(failure: PastFailure) -> dict[str, object]:
    return {
        "at": failure.at.isoformat(),
        "code": failure.code,
        "reason": failure.reason,
        "request_id": failure.request_id,
        "api": failure.api or None,
        "api_status": failure.api_status or None,
        "api_code": failure.api_code or None,
        "event": dict(failure.event),
    }


def _key(key: Key) -> dict[str, str]:
    return {"digest": key.digest, "canonical": key.canonical}


def _permission_text(permission: Permission) -> dict[str, object]:
    return {"allowed": not permission.code, "code": permission.code or None, "reason": permission.reason or None}


def _level(level: Level | None) -> dict[str, object] | None:
    if level is None:
        return None
    picture = level.picture
    return {
        "state": level.state,
        "content_type": picture.content_type,
        "width": picture.width,
        "height": picture.height,
        "bytes": level.bytes,
        "etag": picture.etag,
        "captured_at": picture.captured_at.isoformat(),
        "captured_by": picture.captured_by or None,
        "suspect": picture.suspect,
        "notes": str(picture.notes),
        "fresh_for": level.fresh_for,
        "stale_for": level.stale_for,
        "kept_for": level.kept_for,
        "held_for": None if level.held_for is None else round(level.held_for, 1),
    }


def _api(api: ApiState) -> dict[str, object]:
    return {
        "name": api.name,
        "takes": api.takes,
        "breaker": {
            "state": api.breaker.state,
            "failures": api.breaker.failures,
            "code": api.breaker.code or None,
            "seconds": api.breaker.seconds,
        },
        "price": f"{api.price:f}",
        "affordable": api.affordable,
        "refusal": api.refusal or None,
        "addresses": [
            {
                "address": each.address,
                "outstanding": each.outstanding,
                "slots": each.slots,
                "others": each.others,
                "load_age": each.load_age,
                "away": each.away,
            }
            for each in api.addresses
        ],
    }
