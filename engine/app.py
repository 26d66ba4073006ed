"""Serves SnapSharp's contract over aiohttp: a request comes in, a picture or an error envelope goes back.

Must not know how the browser takes the picture.
"""

import asyncio
import hmac
import re
import secrets
import time
from collections.abc import Awaitable, Callable

import structlog
from aiohttp import web

import cards
from engine import parsing
from engine.browser.supervisor import Supervisor
from engine.config import EngineSettings
from engine.errors import BlockedURL, EngineError, KeyRejected
from engine.service import CaptureResult, CaptureService
from engine.traffic import Traffic
from options import (
    EVENT_HEADER,
    FORMATS,
    LOAD_HEADER,
    LONGEST_DOCUMENT_BODY,
    LONGEST_HTML,
    METADATA_HEADER,
    CaptureOptions,
    Document,
    write_event,
)
from telemetry import VERSION, metrics, traces

DOCUMENTS = "/v1/html-to-image"
MAX_BODY = 64 << 10
ADDED = 4 << 10  # the service takes bodies of that size too, and adds options to them
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
CLIENT = re.compile(r"[A-Za-z0-9_-]{1,64}")
URGENCY = re.compile(r"(?:^|,)[ \t]*u=(\d+)(?![\d.])")  # a dictionary of RFC 8941: its last member counts
TOO_LARGE = f"the body is too large; send at most {MAX_BODY >> 10} KiB"
TOO_MUCH_HTML = f"the body is too large; send at most {LONGEST_HTML >> 20} MiB of HTML"
STATUS_CODES = {404: "not_found", 405: "method_not_allowed", 413: "validation_error"}

SERVICE = web.AppKey("service", CaptureService)
SUPERVISOR = web.AppKey("supervisor", Supervisor)
API_KEY = web.AppKey("api_key", str)
STARTED = web.AppKey("started", float)
TEMPLATES = web.AppKey("templates", cards.Templates)
ID = web.RequestKey("id", str)
EVENT = web.RequestKey("event", str)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
log = structlog.get_logger()


def create_app(settings: EngineSettings, service: CaptureService, supervisor: Supervisor) -> web.Application:
    app = web.Application(client_max_size=MAX_BODY + ADDED, middlewares=[_identify, _envelope])
    app[SERVICE], app[SUPERVISOR] = service, supervisor
    app[STARTED], app[TEMPLATES] = time.monotonic(), settings.templates
    app[API_KEY] = settings.engine_api_key.get_secret_value() if settings.engine_api_key else ""
    app.router.add_get("/v1/screenshot", screenshot, allow_head=False)
    app.router.add_post("/v1/screenshot", screenshot)
    app.router.add_post(DOCUMENTS, html_to_image)
    app.router.add_post("/v1/og-image", og_image)
    app.router.add_get("/v1/templates", templates)
    app.router.add_get("/health", health)
    return app


async def screenshot(request: web.Request) -> web.Response:
    _require_key(request)
    with traces.serving(f"{request.method} {request.path}", request.headers.get(traces.HEADER, ""), request[ID]):
        if request.method == "POST":
            wanted = parsing.parse_json(await request.read())
        else:
            wanted = parsing.parse_query(list(request.query.items()))
        return await _respond(request, wanted)


async def html_to_image(request: web.Request) -> web.Response:
    """Draw the HTML of the body. Its options are the contract's, and those of `/v1/screenshot` that apply to HTML."""
    _require_key(request)
    with traces.serving(f"{request.method} {request.path}", request.headers.get(traces.HEADER, ""), request[ID]):
        body = await request.clone(client_max_size=LONGEST_DOCUMENT_BODY).read()
        wanted, document = await asyncio.to_thread(parsing.parse_document, body)
        return await _respond(request, wanted, document)


async def og_image(request: web.Request) -> web.Response:
    """Draw a card: one of SnapSharp's templates, or of ours, with the data of the body."""
    _require_key(request)
    with traces.serving(f"{request.method} {request.path}", request.headers.get(traces.HEADER, ""), request[ID]):
        body = await request.read()
        wanted, document = await asyncio.to_thread(parsing.parse_card, body, request.app[TEMPLATES])
        return await _respond(request, wanted, document)


async def templates(request: web.Request) -> web.Response:
    return web.json_response({"templates": cards.list_snapsharp(request.app[TEMPLATES])})


async def _respond(request: web.Request, wanted: CaptureOptions, document: Document | None = None) -> web.Response:
    traces.note(host=wanted.target.netloc, format=wanted.format)
    result = await _capture(request, wanted, document)
    traces.note(attempts=result.attempts, bytes=len(result.body))
    return web.Response(
        body=result.body,
        content_type=FORMATS[wanted.format].content_type,
        headers={
            "Cache-Control": "private, no-cache",
            "X-Cache": "MISS",
            METADATA_HEADER: str(result.metadata),
            **result.notes.headers,
        },
    )


async def health(request: web.Request) -> web.Response:
    service, supervisor = request.app[SERVICE], request.app[SUPERVISOR]
    draining = service.drain.begun
    ready = supervisor.version is not None and not draining
    state = {
        "ok": ready,
        "status": "draining" if draining else "ok" if ready else "unavailable",
        "version": VERSION,
        "uptime": round(time.monotonic() - request.app[STARTED]),
        "browser": supervisor.version,
        "sandbox": supervisor.isolation.sandbox,
        "isolation": "namespace" if supervisor.isolation.namespace else "flags",
        "in_flight": service.slots.in_use,
        "queued": service.slots.queued,
        "captures": supervisor.captures,
        "restarts": supervisor.restarts,
    }
    return web.json_response(state, status=200 if ready else 503, headers={"Cache-Control": "no-store"})


async def _capture(request: web.Request, wanted: CaptureOptions, document: Document | None) -> CaptureResult:
    """Capture the page and log one event, with the target's host but neither its path nor its query.

    Of a document, the log has its digest.

    The answer has the event in a header, without what only the log may hold.
    """
    host = wanted.target.host or wanted.target.netloc
    event = log.bind(request_id=request[ID], host=host, format=wanted.format, **traces.log_facts())
    started = time.monotonic()
    traffic = Traffic()

    def spent() -> dict[str, object]:
        return {"seconds": seconds(), "parts": traffic.parts, "traffic": traffic.summary()}

    def seconds() -> float:
        return round(time.monotonic() - started, 3)

    def tell(outcome: str, **more: object) -> None:
        seen = {"connections": traffic.connections, "requests": traffic.requests, "bytes": traffic.bytes}
        counted = seen | {"refused": traffic.refused.total()}
        request[EVENT] = write_event(
            {"outcome": outcome, "seconds": seconds(), "parts": traffic.parts, **counted, **more}
        )

    try:
        result = await request.app[SERVICE].capture(
            wanted, traffic, document=document, client=_client_of(request), background=_is_background(request)
        )
    except asyncio.CancelledError:
        metrics.ENGINE_CAPTURES.add("client_gone")
        event.info("capture", outcome="client_gone", **spent())
        raise
    except EngineError as err:
        metrics.ENGINE_CAPTURES.add(err.code)
        event.info("capture", outcome=err.code, reason=str(err), **spent(), **_log_fields(err))
        tell(err.code, reason=str(err))
        raise
    except Exception:
        metrics.ENGINE_CAPTURES.add("internal_error")
        event.exception("capture", outcome="internal_error", **spent())
        tell("internal_error")
        raise
    metrics.ENGINE_CAPTURES.add("ok")
    cost = {"queued": round(result.queued, 3), "bytes": len(result.body), "attempts": result.attempts}
    event.info("capture", outcome="ok", **spent(), **cost)
    tell("ok", attempts=result.attempts)
    return result


def _log_fields(err: EngineError) -> dict[str, str]:
    """Return the details of an error that the log may hold and the client must not see."""
    if isinstance(err, BlockedURL):
        return {"verdict": err.verdict}
    return {"cause": repr(err.__cause__)[:200]} if err.__cause__ else {}


def _client_of(request: web.Request) -> str:
    """Return the pseudonym by which the caller tells its own clients apart, so that they share the queue fairly."""
    given = request.headers.get("X-Client", "")
    return given if CLIENT.fullmatch(given) else ""


def _is_background(request: web.Request) -> bool:
    """Return whether the client sent the lowest urgency of `Priority`: RFC 9218, section 4.1."""
    return URGENCY.findall(request.headers.get("Priority", ""))[-1:] == ["7"]


def _require_key(request: web.Request) -> None:
    """Compare the client's key with ENGINE_API_KEY, if that is set, in constant time. Raises KeyRejected."""
    wanted = request.app[API_KEY]
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    given = request.headers.get("X-API-Key") or (token.strip() if scheme.lower() == "bearer" else "")
    if wanted and not hmac.compare_digest(given.encode(errors="surrogateescape"), wanted.encode()):
        raise KeyRejected("the API key is missing or wrong: send it as `Authorization: Bearer` or `X-API-Key`")


@web.middleware
async def _identify(request: web.Request, handler: Handler) -> web.StreamResponse:
    given = request.headers.get("X-Request-ID", "")
    request[ID] = given if REQUEST_ID.fullmatch(given) else secrets.token_hex(16)
    response = await handler(request)
    response.headers["X-Request-ID"] = request[ID]
    response.headers["X-Content-Type-Options"] = "nosniff"
    if told := request.get(EVENT):
        response.headers[EVENT_HEADER] = told
    response.headers[LOAD_HEADER] = request.app[SERVICE].slots.load
    return response


@web.middleware
async def _envelope(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn every error into SnapSharp's envelope. The envelope of an unexpected error has no details."""
    try:
        return await handler(request)
    except EngineError as err:
        return _error(err.status, err.code, str(err), err.retry_after, retryable=err.retryable, **err.details)
    except web.HTTPException as err:
        code = STATUS_CODES.get(err.status, "validation_error" if err.status < 500 else "internal_error")
        too_large = TOO_MUCH_HTML if request.path == DOCUMENTS else TOO_LARGE
        return _error(err.status, code, too_large if err.status == 413 else err.reason)
    except Exception:
        log.exception("request failed", request_id=request[ID])
        return _error(500, "internal_error", "internal error")


def _error(
    status: int,
    code: str,
    message: str,
    retry_after: int | None = None,
    *,
    retryable: bool = False,
    **more: str | int,
) -> web.Response:
    body = {"error": code, "message": message, "status": status, "retryable": retryable, **more}
    headers = {"Cache-Control": "no-store"}
    if retry_after is not None:
        body["retry_after"] = retry_after
        headers["Retry-After"] = str(retry_after)
    return web.json_response(body, status=status, headers=headers)
