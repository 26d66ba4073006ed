"""`thumbnails sites import` and `thumbnails sites export`."""

from typing import BinaryIO

import click

from cli.console import Console
from sites import Filters
from sites.exports import FILES
from sites.imports import ImportAction, ImportReport, LineOutcome, ListKind

_SCHEMES = ("http://", "https://")


@click.group()
def sites() -> None:
    """Exchange lists of sites."""


@sites.command("import", short_help="Import a list of sites.")
@click.argument("source")
@click.option("--kind", type=click.Choice([each.value for each in ListKind]), help="recognised by the list if left out")
@click.option("--dry-run", is_flag=True, help="only say what would be done, by line")
@click.option("--no-capture", is_flag=True, help="let new sites wait for their schedule")
@click.pass_obj
def import_sites(console: Console, source: str, kind: str | None, *, dry_run: bool, no_capture: bool) -> None:
    """Import the list of sites SOURCE: a file, - for the standard input, or a URL.

    To resume an import that was interrupted, import the same list again.
    """
    services, named = console.services, ListKind(kind) if kind else None
    try:
        if source.startswith(_SCHEMES):
            found = services.list_reader.read_url(source, named)
        else:
            with click.open_file(source, "rb") as file:
                found = services.list_reader.read_body(file.read(), named)
    except OSError as err:
        raise click.ClickException(f"{source}: {err.strerror}") from None
    prepared = services.importer.prepare(found)
    if dry_run:
        report = prepared.plan()
    else:
        with console.counter(prepared.size, "Importing") as tell:
            report = prepared.run(capture=not no_capture, progress=tell)
    _echo(console, report)


@sites.command("export", short_help="Write the catalogue of sites.")
@click.option("--format", "format_", type=click.Choice([*FILES]), default="csv", show_default=True)
@click.option("--output", "-o", type=click.File("wb"), default="-", help="a file; the standard output by default")
@click.pass_obj
def export_sites(console: Console, format_: str, output: BinaryIO) -> None:
    """Write the catalogue of sites as CSV, as JSON, or as a zip archive with a gallery that needs no server."""
    services = console.services
    output.writelines(services.exporter.pieces(format_, Filters(), services.settings.public_url or ""))


def _echo(console: Console, report: ImportReport) -> None:
    counts = {str(action): count for action, count in report.counts().items()}
    shown = [each for each in report.outcomes if report.dry_run or each.action is ImportAction.REFUSED]
    words = [*map(_words, shown)]
    summary = ", ".join(f"{count:,} {action}" for action, count in counts.items())
    words.append(f"{'Dry run: ' if report.dry_run else ''}{len(report.outcomes):,} lines, {summary}")
    if report.unreadable_sitemaps:
        words.append(f"Sitemaps that could not be read, whose sites are missing: {report.unreadable_sitemaps:,}")
    if report.found.ignored:
        words.append(f"Ignored columns: {', '.join(report.found.ignored)}")
    facts = {
        "dry_run": report.dry_run,
        "lines": len(report.outcomes),
        **counts,
        "unreadable_sitemaps": report.unreadable_sitemaps,
        "ignored_columns": list(report.found.ignored),
        "sites": [{"line": each.line, "url": each.url, "action": each.action, "reason": each.reason} for each in shown],
    }
    console.show(facts, "\n".join(words))


def _words(outcome: LineOutcome) -> str:
    more = f" ({', '.join(outcome.changes)})" if outcome.changes else ""
    reason = f": {outcome.field} {outcome.reason}" if outcome.reason else ""
    where = f"{outcome.source} line {outcome.line}" if outcome.source else f"line {outcome.line}"
    return f"{where}: {outcome.url} {outcome.action}{more}{reason}"
