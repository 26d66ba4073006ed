"""Who may import whom: a line imports only from lines above it."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LAYERS = [
    {"errors", "netguard", "deadline", "outbound", "options", "logs"},
    {"model"},
    {"config", "cores", "fuse", "urls", "coordination"},
    {"validation", "imaging", "placeholder", "images", "access", "storage"},
    {
        "cache",
        "coalesce",
        "breaker",
        "capture",
        "local_storage",
        "s3_storage",
        "storage_backends",
        "views",
        "throughput",
    },
    {"camera", "renditions", "idempotency"},
    {"masters"},
    {"pipeline", "thumbnails"},
    {"jobs"},
    {"job_pictures", "reports"},
    {"webhooks", "refresh"},
    {"deliveries"},
    {"services"},
    {"ratelimit", "tasks"},
    {"web", "worker"},
    {"app"},
]
OURS = set().union(*LAYERS) | {"engine", "demo", "tests", "bench", "scripts"}
OWNERS = {
    "flask": {"app", "web", "ratelimit", "access"},
    "flask_cors": {"web"},
    "flask_limiter": {"web", "ratelimit", "access"},
    "werkzeug": {"app", "web"},
    "celery": {"worker", "jobs"},
    "kombu": {"jobs"},
    "redis": {
        "fuse",
        "cache",
        "coalesce",
        "breaker",
        "idempotency",
        "jobs",
        "throughput",
        "services",
        "views",
        "coordination",
        "thumbnails",
        "capture",
        "refresh",
        "webhooks",
    },
    "boto3": {"s3_storage", "storage_backends"},
    "botocore": {"s3_storage", "storage_backends"},
    "requests": {"capture"},
    "urllib3": {"deadline", "outbound", "capture", "webhooks"},
    "standardwebhooks": {"webhooks"},
    "PIL": {"imaging", "placeholder", "images"},
    "can_ada": {"urls", "engine"},
    "gevent": {"cores", "images"},
    "aiohttp": {"engine"},
    "dotenv": {"config", "engine"},
}


def imports_of(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def sources():
    yield from ROOT.glob("*.py")
    for folder in sorted(OURS - {"tests", "bench", "scripts"}):
        yield from (ROOT / folder).rglob("*.py")


def owner(path):
    """The module, or the package, that a file belongs to."""
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


FILES = sorted(sources())
IDS = [str(path.relative_to(ROOT)) for path in FILES]


def test_every_module_has_its_place():
    assert {owner(path) for path in FILES} <= OURS


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_imports_only_go_up(path):
    home = owner(path)
    if home in ("engine", "demo"):
        allowed = {home, "netguard", "options"} if home == "engine" else {home}
    else:
        level = next(i for i, layer in enumerate(LAYERS) if home in layer)
        allowed = set().union(*LAYERS[:level]) | {home}
    if home == "worker":
        allowed -= {"ratelimit"}
    if home in ("web", "app"):
        allowed -= {"tasks"}
    found = {name.partition(".")[0] for name in imports_of(path)} & OURS
    assert found <= allowed, f"{home} must not import {sorted(found - allowed)}"


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_each_outside_library_has_its_owners(path):
    if owner(path) == "demo":
        return
    for name in {name.partition(".")[0] for name in imports_of(path)} & set(OWNERS):
        assert owner(path) in OWNERS[name], f"{owner(path)} must not import {name}"


@pytest.mark.parametrize("path", [path for path in FILES if owner(path) not in ("config", "engine", "demo")], ids=str)
def test_the_environment_is_read_in_config_alone(path):
    used = {
        node.attr
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) != "request"  # a request has its own, WSGI's
    }
    assert not used & {"environ", "environb", "getenv", "putenv"}


def test_the_devtools_protocol_is_spoken_in_the_engine_alone():
    for path in FILES:
        if owner(path) != "engine":
            assert "Page.captureScreenshot" not in path.read_text(encoding="utf-8")
