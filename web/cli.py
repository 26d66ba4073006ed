"""The commands of `flask`: `sign` prints a signed URL, `import-sites` and `export-sites` exchange lists of sites."""

import time
from typing import BinaryIO
from urllib.parse import urlencode

import click
from flask import Flask

from access import sign
from errors import ThumbnailError
from services import Services
from sites import Filters
from sites.exports import FILES
from sites.imports import ImportAction, ImportReport, LineOutcome, ListKind
from web.http.path_form import write_path

_SCHEMES = ("http://", "https://")


def install(app: Flask, services: Services) -> None:
    _install_sign(app, services)
    _install_import(app, services)
    _install_export(app, services)


def _install_sign(app: Flask, services: Services) -> None:
    @app.cli.command("sign")
    @click.argument("url")
    @click.option("--option", "-o", "options", multiple=True, help="an option of /thumb, such as w=320; repeatable")
    @click.option("--expires-in", type=int, help="seconds for which the URL is valid")
    @click.option("--path", "as_path", is_flag=True, help="print /t/… with a file ending, instead of /thumb?…")
    def command(url: str, options: tuple[str, ...], expires_in: int | None, *, as_path: bool) -> None:
        """Print a signed thumbnail URL for URL."""
        if not services.access.signing_keys:
            raise click.ClickException("set SIGNING_KEYS first: its first key signs the URL")
        pairs = [("url", url), *((name, value) for name, _, value in (option.partition("=") for option in options))]
        if expires_in is not None:
            pairs.append(("expires", str(int(time.time()) + expires_in)))
        try:
            services.access.require_size(services.validator.parse_query(urlencode(pairs).encode()).rendition)
        except ThumbnailError as err:
            raise click.ClickException(err.detail) from None
        pairs.append(("sig", sign(services.access.signing_keys[0], pairs)))
        address = write_path(pairs) if as_path else f"/thumb?{urlencode(pairs)}"
        click.echo((services.settings.public_url or "") + address)


def _install_import(app: Flask, services: Services) -> None:
    @app.cli.command("import-sites")
    @click.argument("source")
    @click.option(
        "--kind", type=click.Choice([each.value for each in ListKind]), help="recognised by the list if it is left out"
    )
    @click.option("--dry-run", is_flag=True, help="only say what would be done, by line")
    @click.option("--no-capture", is_flag=True, help="let new sites wait for their schedule")
    def command(source: str, kind: str | None, *, dry_run: bool, no_capture: bool) -> None:
        """Import the list of sites SOURCE: a file, - for the standard input, or a URL.

        To resume an import that was interrupted, import the same list again.
        """
        named = ListKind(kind) if kind else None
        try:
            if source.startswith(_SCHEMES):
                found = services.list_reader.read_url(source, named)
            else:
                with click.open_file(source, "rb") as file:
                    found = services.list_reader.read_body(file.read(), named)
            prepared = services.importer.prepare(found)
            report = prepared.plan() if dry_run else prepared.run(capture=not no_capture, progress=_tell)
        except OSError as err:
            raise click.ClickException(f"{source}: {err.strerror}") from None
        except ThumbnailError as err:
            raise click.ClickException(err.detail) from None
        _echo(report)


def _tell(done: int) -> None:
    click.echo(f"done: {done:,}", err=True)


def _echo(report: ImportReport) -> None:
    for each in report.outcomes:
        if report.dry_run or each.action is ImportAction.REFUSED:
            click.echo(_words(each))
    counts = ", ".join(f"{count:,} {action}" for action, count in report.counts().items())
    click.echo(f"{'Dry run: ' if report.dry_run else ''}{len(report.outcomes):,} lines, {counts}")
    if report.unreadable_sitemaps:
        click.echo(f"Sitemaps that could not be read, whose sites are missing: {report.unreadable_sitemaps:,}")
    if report.found.ignored:
        click.echo(f"Ignored columns: {', '.join(report.found.ignored)}")


def _words(outcome: LineOutcome) -> str:
    more = f" ({', '.join(outcome.changes)})" if outcome.changes else ""
    reason = f": {outcome.field} {outcome.reason}" if outcome.reason else ""
    where = f"{outcome.source} line {outcome.line}" if outcome.source else f"line {outcome.line}"
    return f"{where}: {outcome.url} {outcome.action}{more}{reason}"


def _install_export(app: Flask, services: Services) -> None:
    @app.cli.command("export-sites")
    @click.option("--format", "format_", type=click.Choice([*FILES]), default="csv", show_default=True)
    @click.option("--output", "-o", type=click.File("wb"), default="-", help="a file; the standard output by default")
    def command(format_: str, output: BinaryIO) -> None:
        """Write the catalogue of sites as CSV, as JSON, or as a zip archive with a gallery that needs no server."""
        try:
            output.writelines(services.exporter.pieces(format_, Filters(), services.settings.public_url or ""))
        except ThumbnailError as err:
            raise click.ClickException(err.detail) from None
