"""Write what documents tell of the code: tables of options, formats, notes, devices, dialects and metrics in docs/, and the
names of settings in the Helm chart's schema. With `--check`, fail if they differ.
"""

import dataclasses
import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path

from config import ENGINE_VARIABLES, Settings
from options import (
    DEVICES,
    FORMATS,
    NOTES,
    CaptureOptions,
    Choice,
    Delivery,
    Format,
    JobOptions,
    Notes,
    Option,
    Preset,
    Rendition,
    Signature,
    callers_options,
    either,
)
from telemetry import SUBJECTS, Metric
from web.dialects import DIALECTS, InboundDialect

PAGES = tuple(
    Path("docs") / name for name in ("api.md", "jobs.md", "devices.md", "coming-from.md", "operations/metrics.md")
)
SCHEMA = Path("deploy/helm/values.schema.json")
# Settings that the chart makes itself, by what it installs.
SET_BY_CHART = {
    "DATABASE_URL", "ENGINE_URL", "LISTS_EGRESS", "METRICS_HOST", "METRICS_PORT", "NGINX_CACHE_DIR", "ORIGINALS_DIR", "PERSIST_DIR",
    "PORT", "REDIS_URL", "STATE_REDIS_URL", "WEB_HOST",
}  # fmt: skip
ENGINE_SET_BY_CHART = {"ENGINE_CONCURRENCY", "ENGINE_EGRESS", "ENGINE_HOST", "ENGINE_ISOLATION", "ENGINE_PORT"}
_BLOCK = re.compile(r"(<!-- (\w+): written by `make docs` -->\n).*?(<!-- end -->)", re.DOTALL)


def main() -> None:
    texts = {page: with_tables(page) for page in PAGES} | {SCHEMA: with_settings(SCHEMA)}
    stale = [page for page, text in texts.items() if text != page.read_text(encoding="utf-8")]
    if "--check" in sys.argv and stale:
        sys.exit(f"{', '.join(map(str, stale))}: out of date; run `make docs`")
    for page in stale:
        page.write_text(texts[page], encoding="utf-8")


def with_tables(page: Path) -> str:
    """Return the page's text with up-to-date tables."""
    return _BLOCK.sub(lambda block: block[1] + TABLES[block[2]] + block[3], page.read_text(encoding="utf-8"))


def with_settings(schema: Path) -> str:
    """Return the text of the chart's schema, which allows exactly the settings that there are and that are no secrets."""
    described = json.loads(schema.read_text(encoding="utf-8"))
    values = described["properties"]
    for settings, names in (
        (values["settings"], _plain_settings() - SET_BY_CHART),
        (values["engine"]["properties"]["settings"], ENGINE_VARIABLES - ENGINE_SET_BY_CHART - {"ENGINE_API_KEY"}),
    ):
        settings["properties"] = {name: {"$ref": "#/$defs/setting"} for name in sorted(names)}
    return json.dumps(described, indent=2) + "\n"


def _plain_settings() -> set[str]:
    """Return the variables that hold no secret: those whose value may be shown."""
    fields = Settings.model_fields.items()
    return {name.upper() for name, field in fields if field.repr and "SecretStr" not in str(field.annotation)}


def _options(*groups: Iterable[Option]) -> str:
    rows = ((f"`{each.name}`", each.meaning, _values(each), _default(each)) for group in groups for each in group)
    return _table(("name", "meaning", "value", "default"), rows)


def _values(option: Option) -> str:
    if isinstance(option.kind, Choice):
        return either(tuple(f"`{value}`" for value in option.kind.values))
    return "a name of a preset" if isinstance(option.kind, Preset) else option.kind.words


def _default(option: Option) -> str:
    value = option.default
    if option.default_words or value is None:
        return option.default_words or "none"
    if option.setting:
        return f"the setting `{option.setting.upper()}` ({_plain(value)})"
    return "required" if option.required else _plain(value)


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"`{value}`" if isinstance(value, str) else f"{value:g}"


def _formats(formats: Iterable[Format]) -> str:
    heads = "format", "content type", "file ending", "compression", "bars of `contain`", "longest side", "most pixels"
    return _table(heads, map(_format, formats))


def _format(each: Format) -> tuple[str, ...]:
    names = f"`{each.name}`", f"`{each.content_type}`", f"`.{each.ending}`"
    if not each.pillow:
        return (*names, "", "", "", "")
    compression, bars = "lossy" if each.lossy else "lossless", "transparent" if each.alpha else "white"
    return (*names, compression, bars, f"{each.longest_side:,} pixels", f"{each.most_pixels:,}")


def _notes() -> str:
    meanings = {each.name: each.metadata["meaning"] for each in dataclasses.fields(Notes)}
    return _table(("note", "meaning"), ((f"`{name}`", meanings[attribute]) for name, attribute in NOTES.items()))


def _devices() -> str:
    heads = "name", "device", "window, CSS pixels", "scale", "touch screen", "browser"
    rows = (
        (
            f"`{name}`",
            each.label,
            f"{each.width} × {each.height}",
            f"{each.scale:g}",
            "yes" if each.system.mobile else "no",
            each.system.label,
        )
        for name, each in DEVICES.items()
    )
    return _table(heads, rows)


def _names(dialect: InboundDialect) -> str:
    """Name the options of another service, each with our own, where that has another name."""
    named = ((name, rule.option) for name, rule in dialect.table.items())
    return ", ".join(f"`{name}`" if name == ours else f"`{name}` (`{ours}`)" for name, ours in named) + "\n"


def _metrics(group: Iterable[Metric]) -> str:
    """Describe metrics: a label with its values where all of them are known beforehand."""
    heads = "metric", "kind", "labels", "of", "meaning"
    rows = (
        (f"`{each.name}`", each.kind, _labels(each), ", ".join(each.processes), each.help.replace("|", "\\|"))
        for each in group
    )
    return _table(heads, rows)


def _labels(metric: Metric) -> str:
    named = ((name, ", ".join(value or "empty" for value in values)) for name, values in metric.labels.items())
    return "; ".join(f"`{name}`: {values}" if values else f"`{name}`" for name, values in named)


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = (heads, ("---",) * len(heads), *rows)
    return "".join(f"| {' | '.join(line)} |\n".replace("|  |", "| |").replace("|  |", "| |") for line in lines)


TABLES = {
    "capture": _options(each for each in callers_options(CaptureOptions) if not each.private),
    "private": _options(each for each in callers_options(CaptureOptions) if each.private),
    "rendition": _options(callers_options(Rendition)),
    "delivery": _options(callers_options(Delivery), callers_options(Signature)),
    "job": _options(callers_options(JobOptions)),
    "formats": _formats(FORMATS.values()),
    "notes": _notes(),
    "devices": _devices(),
    **{f"metrics_{number}": _metrics(group) for number, group in enumerate(SUBJECTS.values(), start=1)},
    **{name: _names(dialect) for name, dialect in DIALECTS.items()},
}

if __name__ == "__main__":
    main()
