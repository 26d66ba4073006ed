"""Reads the settings from the environment, `.env` and files of secrets."""

import os
import sys
import tempfile
from pathlib import Path
from typing import NoReturn

import dotenv
from pydantic import ValidationError
from pydantic_core import ErrorDetails

import cards
from config.access import WITH_REASON
from config.settings import Settings


class ConfigError(Exception):
    """A setting is invalid. The text names the variable and its valid values, and never the given value."""


def stop(reason: Exception) -> NoReturn:
    """End the process because of its settings. The status tells a supervisor that a restart would not help."""
    sys.stderr.write(f"{reason}\n")
    sys.exit(os.EX_CONFIG)


def load(running: Path | None = None) -> Settings:
    """Read the settings. Raises ConfigError, whose text names every invalid variable.

    `running` is a file of variables like `.env`, of a service that runs here: they count before those of `.env`.
    """
    if running is not None:
        dotenv.load_dotenv(running)
    dotenv.load_dotenv(Path(".env"))
    _read_secret_files()
    try:
        settings = Settings()
    except ValidationError as err:
        raise ConfigError("\n".join(dict.fromkeys(map(_describe, err.errors())))) from None
    if settings.originals == "folder":
        _require_writable(settings.originals_dir, "originals_dir")
    if settings.blocked_targets_file is not None:
        _require_readable(settings.blocked_targets_file, "blocked_targets_file")
    if settings.templates_dir is not None:
        _require_usable(settings.templates_dir)
    return settings


def _require_readable(file: Path, field: str) -> None:
    """Read a file that is read again later. Raises ConfigError."""
    try:
        file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        described = Settings.model_fields[field].description
        raise ConfigError(f"{field.upper()} is invalid: set it to {described}") from None


def _require_writable(folder: Path, field: str) -> None:
    """Make a folder for this user alone if it is missing, and write there. Raises ConfigError."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as err:
        described = Settings.model_fields[field].description
        raise ConfigError(f"{field.upper()} is invalid ({err.strerror}): set it to {described}") from None


def _require_usable(templates_dir: Path) -> None:
    """Read the operator's templates, so that no process starts with one that is broken. Raises ConfigError."""
    try:
        cards.load([templates_dir])
    except cards.BrokenTemplate as err:
        raise ConfigError(f"TEMPLATES_DIR is invalid: {err}") from None


def _describe(error: ErrorDetails) -> str:
    if error["type"] == WITH_REASON:
        return error["msg"]
    name = str(error["loc"][0]) if error["loc"] else error["type"]
    field = Settings.model_fields[name]
    return f"{name.upper()} is invalid: set it to {field.description}"


def _read_secret_files() -> None:
    """Set `NAME` from the file that `NAME_FILE` names, since Docker and Kubernetes mount secrets as files."""
    for name in map(str.upper, Settings.model_fields):
        path = os.environ.get(f"{name}_FILE")
        has_own_file = f"{name}_FILE".lower() in Settings.model_fields  # which may change while the service runs
        if not path or os.environ.get(name) or has_own_file:
            continue
        try:
            os.environ[name] = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            raise ConfigError(f"{name}_FILE is invalid: set it to the path of a readable text file") from None
