"""Tells what a request would get and cost, by what was found. It follows the flow, check by check. Pure."""

from dataclasses import dataclass, replace
from decimal import Decimal

import images
from model import Picture, ThumbnailRequest
from options import FORMATS
from thumbnails.findings import Findings, Level
from thumbnails.served import CacheState

_SHOWN = ("fresh", "stale", "outdated")


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a request would get: a picture from `cache` (None: an error with a `code`), and why.

    It would be charged for `captures` and `renditions`. A capture would be by `api`, at its `price`.
    """

    cache: CacheState | None
    why: str
    code: str = ""
    captures: int = 0
    renditions: int = 0
    api: str = ""
    price: Decimal = Decimal(0)


def foresee(found: Findings) -> Forecast:
    """Return what a request would get now: what `Thumbnailer.get` does, and the checks before it."""
    refusal = found.target if found.target.code else found.size
    if refusal.code:
        return Forecast(None, refusal.reason, refusal.code)
    captured, fresh = _foresee_capture(found), found.request.delivery.fresh
    levels = found.levels
    original = next((each for each in (levels.original_in_memory, levels.original) if _is_shown(each)), None)
    same = original is not None and original.state != "outdated" and _is_as_captured(original.picture, found.request)
    rendition = next(
        (each for each in (levels.memory, levels.rendition) if _is_shown(each)), original if same else None
    )
    known = None if fresh else _foresee_fresh(found, rendition, original, renders=not same)
    stale = rendition or original
    if known is not None:
        return known
    if fresh and stale and captured.code:
        return Forecast(CacheState.STALE, f"{captured.why}, so the stale picture is shown")
    if stale and not fresh:
        why = f"the picture is stale; meanwhile, {captured.why}"
        return replace(captured, cache=CacheState.STALE, why=why, code="", renditions=0 if rendition else 1)
    return captured if levels.reachable or captured.code else replace(captured, cache=CacheState.BYPASS)


def _foresee_fresh(
    found: Findings, rendition: Level | None, original: Level | None, *, renders: bool
) -> Forecast | None:
    """Return the answer by a fresh picture, None if there is none."""
    if rendition and rendition.state == "fresh":
        return Forecast(CacheState.HIT, "the picture is known and fresh")
    is_fresh = original is not None and original.state == "fresh"
    if is_fresh and not (renders and found.is_used_up("renditions")):
        return Forecast(CacheState.HIT, "it is made of the known original", renditions=int(renders))
    if is_fresh and rendition is None:
        return Forecast(None, "the client's budget of new renditions is used up", "rate_limited")
    if rendition and rendition.fresh_for:
        return Forecast(CacheState.HIT, "the page was captured again, but this picture is still fresh")
    return None


def _foresee_capture(found: Findings) -> Forecast:
    """Return what a capture comes to, by the first check that ends it."""
    failure, flight, fresh = found.levels.failure, found.flight, found.request.delivery.fresh
    able = [each for each in found.apis if not each.refusal]
    taking = next((each for each in able if each.takes), None)
    spent = all(not each.affordable for each in able)
    checks = (
        (not able, "invalid_option", found.apis[0].refusal),
        (
            failure and not fresh,
            failure and failure.error.code,
            failure and f"a failure is remembered: {failure.error.detail}",
        ),
        (flight.here or flight.elsewhere, "", "it joins the capture that is in progress"),
        (not taking, "upstream_quota" if spent else "upstream_unavailable", "no screenshot API takes captures now"),
        (not found.guard.allowed, "blocked_url", f"the guard refuses the host: {found.guard.verdict}"),
        (found.host.is_full, "target_busy", "the host is captured as often as TARGET_LIMIT allows"),
        (found.is_used_up("captures"), "rate_limited", "the client's budget of captures is used up"),
    )
    for ends, code, why in checks:
        if ends:
            return Forecast(None if code else CacheState.MISS, why or "", code or "")
    price = taking.price if taking else Decimal(0)
    return Forecast(CacheState.MISS, "the page is captured", captures=1, api=taking.name if taking else "", price=price)


def _is_shown(level: Level | None) -> bool:
    return level is not None and level.state in _SHOWN


def _is_as_captured(original: Picture, request: ThumbnailRequest) -> bool:
    """Return whether the original already is the rendition. Only its head was read: it is taken to be whole."""
    trailer, size = FORMATS[request.rendition.format].trailer, (original.width, original.height)
    return images.is_as_captured(trailer, original.content_type, size, request.rendition)
