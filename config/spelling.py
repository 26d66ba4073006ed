"""What an operator should hear about the environment: variables that are misspelled, or have no effect."""

import difflib
import os

from config.apis import without_captures
from config.settings import Settings

_PREFIXES = (
    "CAPTURE_",
    "CACHE_",
    "MASTER_",
    "ORIGINALS_",
    "REFRESH_",
    "RENDITION_",
    "THUMB_",
    "PERSIST_",
    "JOB_",
    "S3_",
    "SNAPSHARP_",
    "SNAPAPI_",
    "HERMESFORGE_",
    "ADMIN_",
    "ALLOWED_",
    "PRIVATE_TARGET",
    "WEBHOOK_",
    "METRICS_",
)
# The engine is a program of its own; compose passes `.env` to the web process too, which alone can warn of all of it.
ENGINE_VARIABLES = {
    "ENGINE_API_KEY",
    "ENGINE_BROWSER_USER",
    "ENGINE_CHROMIUM",
    "ENGINE_CONCURRENCY",
    "ENGINE_DEADLINE",
    "ENGINE_EGRESS",
    "ENGINE_FILTER_LISTS",
    "ENGINE_FIRST_BYTE_SECONDS",
    "ENGINE_HOST",
    "ENGINE_ISOLATION",
    "ENGINE_MAX_CAPTURES",
    "ENGINE_MEMORY_LIMIT",
    "ENGINE_PDFJS",
    "ENGINE_PORT",
    "ENGINE_QUEUE",
    "ENGINE_RENDERER_LIMIT",
    "ENGINE_USER_AGENT_SUFFIX",
}
_FIXED = "ENGINE_FIXED"  # set by docker-compose.yml: the names of those that it sets itself
_NEAR = 0.85  # from this similarity on, a name is a typo of one of ours, not a variable of another program


# What OpenTelemetry's SDK reads beside the settings of traces: https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
_OTEL_VARIABLES = {
    "OTEL_RESOURCE_ATTRIBUTES",
    *(f"OTEL_BSP_{name}" for name in ("SCHEDULE_DELAY", "EXPORT_TIMEOUT", "MAX_QUEUE_SIZE", "MAX_EXPORT_BATCH_SIZE")),
    *(
        f"OTEL_EXPORTER_OTLP_{signal}{name}"
        for signal in ("", "TRACES_", "METRICS_", "LOGS_")
        for name in (
            *("ENDPOINT", "PROTOCOL", "HEADERS", "TIMEOUT", "COMPRESSION", "INSECURE"),
            *("CERTIFICATE", "CLIENT_KEY", "CLIENT_CERTIFICATE"),
        )
    ),
}


def internal_targets(settings: Settings) -> list[str]:
    """Return PRIVATE_TARGETS without the demo of `make run`, whose pages are for everyone."""
    demo = f"127.0.0.1:{os.environ.get('DEMO_PORT')}"
    return [target for target in settings.private_targets if target != demo]


def unknown_variables() -> list[str]:
    """Describe variables that resemble ours but do not exist. A typo must not silently leave the default in force."""
    known = {name.upper() for name in Settings.model_fields}
    known |= {f"{name}_FILE" for name in known}
    of_engine = ENGINE_VARIABLES | {"ENGINE_API_KEY_FILE", _FIXED}
    found = []
    for name in sorted(os.environ.keys() - known - of_engine - _OTEL_VARIABLES):
        is_engines = name.startswith("ENGINE_")
        near = difflib.get_close_matches(name, of_engine if is_engines else known, n=1, cutoff=_NEAR)
        if near or is_engines or name.startswith(_PREFIXES):
            whose = "the engine" if is_engines else "this service"
            found.append(f"{name} is not a setting of {whose}" + (f"; did you mean {near[0]}?" if near else ""))
    return found


def without_effect(settings: Settings) -> list[str]:
    """Describe settings that are set but change nothing: of the engine, and of APIs that take no captures."""
    given = sorted(name for name in ENGINE_VARIABLES if os.environ.get(name))
    apis = ", ".join(settings.capture_api)
    idle = [f"{name} has no effect: captures come from {apis}" for name in without_captures(settings)]
    if "engine" not in settings.capture_api:
        return [f"{name} has no effect: captures come from {apis}" for name in given] + idle
    fixed = os.environ.get(_FIXED, "").split()
    return [f"{name} has no effect: this deployment sets it itself" for name in given if name in fixed] + idle
