"""What is wrong with a command for a platform that is not there: it names a file, a service or a setting that does not exist.

The options that each command may have are those of its manual, as far as the documents use them.
"""

import functools
import importlib.util
import re
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import yaml

import config

ROOT = Path(__file__).parents[2]
INSTALLED = "/opt/thumbnails"  # where the pages let people put a checkout
APP = "app.kubernetes.io"
SETTINGS = {name.upper() for name in config.Settings.model_fields} | {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}


def faults(call: list[str], folder: Path) -> list[str]:
    """Return what is wrong with a call in `folder`: the name of a program and its words."""
    program, *words = call
    checked = _CHECKS.get(program.rpartition("/")[2])
    return [f"{' '.join(call)}: {fault}" for fault in checked(words, folder)] if checked else []


@functools.cache
def compose() -> dict:
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]


@functools.cache
def fly_apps() -> dict[str, dict]:
    texts = ((ROOT / "deploy" / name).read_text(encoding="utf-8") for name in ("fly.toml", "fly.engine.toml"))
    return {app["app"]: app for app in map(tomllib.loads, texts)}


def _split(words: list[str], flags: str, valued: str) -> tuple[list[str], dict[str, str], list[str]]:
    """Part words into arguments, options and unknown options. Options end with the second argument, and with `--`."""
    arguments, options, unknown = [], {}, []
    rest = iter(words)
    for word in rest:
        name, equals, value = word.partition("=")
        if word == "--":
            return [*arguments, *rest], options, unknown
        if not word.startswith("-"):
            arguments.append(word)
        elif name in valued.split():
            options[name] = value if equals else next(rest, "")
        elif word in flags.split():
            options[word] = ""
        else:
            unknown.append(f"there is no option {word}")
    return arguments, options, unknown


# By the subcommand of `docker compose`: its options without a value, those with one, and how many services it may name.
_COMPOSE = {
    "up": ("--build --detach --wait", "", 0),
    "ps": ("--all", "", 9),
    "logs": ("--no-log-prefix --follow", "--tail", 9),
    "restart": ("", "", 9),
    "stop": ("", "", 9),
    "start": ("", "", 9),
    "exec": ("-T", "--env", 1),
    "run": ("--rm -T --no-deps", "--env", 1),
    "config": ("--resolve-image-digests", "", 0),
}


def _docker(words: list[str], folder: Path) -> Iterator[str]:
    if words[0] == "compose":
        yield from _docker_compose(words[1:])
    elif words[0] == "build":
        _, options, unknown = _split(words[1:], "", "--target --tag --build-arg")
        yield from unknown
        stages = re.findall(r" AS (\w+)$", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
        if options.get("--target") not in stages:
            yield "the Dockerfile has no such stage"
    elif words[:2] == ["buildx", "bake"]:
        _, options, unknown = _split(words[2:], "--push", "--file --set")
        yield from unknown
        yield from _missing(folder, options.get("--file", ""))
    elif words[0] == "run":
        arguments, _, unknown = _split(words[1:], "--rm", "")
        yield from unknown
        image, program, file = arguments
        images = {service["image"] for service in compose().values()}
        parts = (ROOT / "scripts" / "image_parts.py").read_text(encoding="utf-8")
        if image not in images or program != "cat" or Path(file).name not in parts:
            yield "there is no such image, or no such file in it"
    else:
        yield "unknown"


def _docker_compose(words: list[str]) -> Iterator[str]:
    if words[0] == "--profile":
        if words[1] not in {name for service in compose().values() for name in service.get("profiles", [])}:
            yield "there is no such profile"
        words = words[2:]
    command, *words = words
    flags, valued, most = _COMPOSE[command]
    if command in ("exec", "run"):  # the words after the service are those of its command
        services = [word for word in words if word in compose()][:1]
        words = words[: words.index(services[0]) + 1] if services else words
    services, _, unknown = _split(words, flags, valued)
    yield from unknown
    if len(services) > most or not set(services) <= compose().keys():
        yield f"compose has no services {services}"


def _kubectl(words: list[str], _folder: Path) -> Iterator[str]:
    flags = "--stdin"
    arguments, options, unknown = _split(words, flags, "--selector --tail --container --from-literal --replicas")
    yield from unknown
    given = dict(re.findall(r"([\w./]+)=([\w-]+)", options.get("--selector", "")))
    parts = compose().keys() | {"migrate"}
    if given and (given.get(f"{APP}/instance") != "thumbnails" or given.get(f"{APP}/component", "web") not in parts):
        yield "the chart has no pods with these labels"
    if arguments[:1] == ["exec"] and (arguments[1], options.get("--container")) != ("deploy/thumbnails-web", "web"):
        yield "the chart has no such pod"
    if arguments[:2] == ["create", "secret"]:
        names = {word.split("=")[1] for word in words if word.startswith("--from-literal=")}
        yield from (f"{name} is no setting" for name in names - SETTINGS)
    if arguments[0] == "scale":
        yield from (
            f"the chart has no {name}" for name in arguments[1:] if name.removeprefix("deploy/thumbnails-") not in parts
        )
    if arguments[0] not in ("exec", "get", "logs", "delete", "create", "scale"):
        yield "unknown"


def _helm(words: list[str], folder: Path) -> Iterator[str]:
    arguments, options, unknown = _split(words, "--wait", "--values")
    yield from unknown
    if arguments[0] not in ("install", "upgrade") or arguments[1] != "thumbnails":
        yield "other pages name the release thumbnails"
    yield from _missing(folder, f"{arguments[2]}/Chart.yaml", options["--values"])


def _fly(words: list[str], folder: Path) -> Iterator[str]:
    flags = "--private --no-public-ips --no-tail --quiet"
    arguments, options, unknown = _split(words, flags, "--network --app --config --command --scale")
    yield from unknown
    app = options.get("--app") or (arguments[2] if arguments[:2] in (["apps", "create"], ["apps", "restart"]) else None)
    if app and app not in fly_apps():
        yield "there is no file for such an application"
    if "--config" in options:
        yield from _missing(folder, options["--config"])
    for word in arguments[2:]:
        name, equals, value = word.partition("=")
        if equals and arguments[0] == "secrets" and name not in SETTINGS:
            yield f"{name} is no setting"
        if equals and arguments[0] == "scale" and name not in fly_apps()[app]["processes"]:
            yield f"the application has no process {name}={value}"


def _gcloud(words: list[str], folder: Path) -> Iterator[str]:
    arguments, options, unknown = _split(
        words, "--wait", "--image --command --args --instances --limit --set-secrets --set-env-vars"
    )
    yield from unknown
    for name in options.get("--set-secrets", "").split(","):
        if name and name.partition("=")[0] not in SETTINGS:
            yield f"{name} is no setting"
    if arguments[:3] == ["run", "services", "replace"]:
        yield from _missing(folder, arguments[3])
    if "--command" in options:
        command = [options["--command"], *options["--args"].split(",")]
        known = [service.get("command") for service in compose().values()] + [["thumbnails", "doctor"]]
        if command not in known:
            yield "no service of compose runs this"


def _systemctl(words: list[str], _folder: Path) -> Iterator[str]:
    arguments, _, unknown = _split(words, "--now --all --no-pager", "--property")
    yield from unknown
    yield from _no_units(arguments[1:])


def _systemd_analyze(words: list[str], _folder: Path) -> Iterator[str]:
    yield from _no_units(words[1:])


def _journalctl(words: list[str], _folder: Path) -> Iterator[str]:
    _, options, unknown = _split(words, "", "--unit --lines --output")
    yield from unknown
    yield from _no_units([options["--unit"]])


def _no_units(names: list[str]) -> Iterator[str]:
    units = {path.name for path in (ROOT / "deploy" / "systemd").iterdir() if path.suffix in (".service", ".target")}
    for name in names:
        if not (
            {name, f"{name}.service"} & units or (name.endswith("*") and any(u.startswith(name[:-1]) for u in units))
        ):
            yield f"there is no unit {name}"


def _copies(words: list[str], folder: Path) -> Iterator[str]:
    arguments, _, unknown = _split(words, "-r -D", "--mode")
    yield from unknown
    yield from _missing(folder, *arguments[:-1])


def _missing(folder: Path, *paths: str) -> Iterator[str]:
    """Files that are neither in `folder` nor, where they are to be installed, in the checkout."""
    for path in paths:
        found = (ROOT if path.startswith(INSTALLED) else folder) / path.removeprefix(INSTALLED).lstrip("/")
        if not path or not any(found.parent.glob(found.name)):
            yield f"there is no {path or 'file'}"


def _packages(words: list[str], folder: Path) -> Iterator[str]:
    if words[0] != "install":
        yield "unknown"
    if "--requirement" in words or "-r" in words:
        yield from _missing(folder, words[-1])
        return
    for word in words[1:]:
        if word.startswith("./"):
            files = [f"{word}/{name}" for name in ("package.json", "pyproject.toml")]
            if all([*_missing(folder, file)] for file in files):
                yield f"{word} is no package"
        elif not word.startswith("-"):
            yield f"{word} would come from the internet"


def _python(words: list[str], _folder: Path) -> Iterator[str]:
    if words[0] == "-m" and importlib.util.find_spec(words[1]) is None:
        yield "there is no such module"


def _thumbnail_mcp(words: list[str], _folder: Path) -> Iterator[str]:
    project = tomllib.loads((ROOT / "clients/mcp/pyproject.toml").read_text(encoding="utf-8"))["project"]
    if words or "thumbnail-mcp" not in project["scripts"]:
        yield "the package has no such command"


def _prometheus(words: list[str], folder: Path) -> Iterator[str]:
    _, options, unknown = _split(words, "", "--config.file")
    yield from unknown
    yield from _missing(folder, options["--config.file"])


def _apt_get(words: list[str], _folder: Path) -> Iterator[str]:
    if words[:2] != ["install", "--yes"]:
        yield "it would ask"


def _git(words: list[str], _folder: Path) -> Iterator[str]:
    if words[0] != "clone" or words[2] != INSTALLED:
        yield f"other pages have the checkout in {INSTALLED}"


_CHECKS: dict[str, Callable[[list[str], Path], Iterator[str]]] = {
    "apt-get": _apt_get,
    "cp": _copies,
    "docker": _docker,
    "fly": _fly,
    "gcloud": _gcloud,
    "git": _git,
    "helm": _helm,
    "install": _copies,
    "journalctl": _journalctl,
    "kubectl": _kubectl,
    "npm": _packages,
    "pip": _packages,
    "prometheus": _prometheus,
    "python": _python,
    "systemctl": _systemctl,
    "systemd-analyze": _systemd_analyze,
    "thumbnail-mcp": _thumbnail_mcp,
}
