"""An explanation in JSON's types, for programs."""

import time
from datetime import UTC, datetime
from typing import Any

from capture import ApiState
from model import Key
from thumbnails.explanation import Explanation
from thumbnails.findings import Level, Permission


def describe(explained: Explanation) -> dict[str, Any]:
    """Return an explanation in JSON's types."""
    found, forecast, now = explained.found, explained.forecast, time.time()
    request, levels = found.request, found.levels
    failure, holder = levels.failure, found.flight.holder
    return {
        "url": request.target.url,
        "options": found.options,
        "private": request.private,
        "keys": {"capture": _key(request.capture_key), "rendition": _key(request.rendition_key)},
        "request": {
            "x_cache": forecast.cache and str(forecast.cache),
            "code": forecast.code or None,
            "why": forecast.why,
            "captures": forecast.captures,
            "renditions": forecast.renditions,
            "api": forecast.api or None,
            "price": f"{forecast.price:f}",
        },
        "cache": {
            "reachable": levels.reachable,
            "memory": _level(levels.memory),
            "rendition": _level(levels.rendition),
            "note": levels.note
            and {
                "captured_at": levels.note.captured_at.isoformat(),
                "suspect": levels.note.suspect,
                "shows_error": levels.note.shows_error,
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
        },
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
        "budgets": {
            name: [
                {"limit": each.limit, "window": each.window, "remaining": each.remaining, "reset": each.seconds}
                for each in windows
            ]
            for name, windows in found.budgets.items()
        },
        "apis": [_api(each) for each in found.apis],
        "flight": {
            "here": found.flight.here,
            "elsewhere": found.flight.elsewhere,
            "machine": holder and holder.machine,
            "process": holder and holder.process,
            "seconds": holder and round(max(now - holder.since, 0), 1),
        },
        "host": {
            "at_once": found.host.at_once,
            "running": found.host.running,
            "waiting": found.host.waiting,
            "rates": [
                {
                    "limit": each.limit,
                    "window": each.window,
                    "remaining": max(each.limit - each.count, 0),
                    "reset": each.reset,
                }
                for each in found.host.rates
            ],
        },
        "failures": [
            {
                "at": each.at.isoformat(),
                "code": each.code,
                "reason": each.reason,
                "request_id": each.request_id,
                "api": each.api or None,
                "api_status": each.api_status or None,
                "api_code": each.api_code or None,
                "event": dict(each.event),
            }
            for each in found.failures
        ],
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
