"""`thumbnails doctor`: look at everything that the service needs, and say what to do."""

from dataclasses import asdict

import click

from cli.checks import examine
from cli.console import Console
from cli.finding import Finding

_MARKS = {"ok": ("ok", "green"), "warning": ("warning", "yellow"), "failed": ("FAILED", "red")}


@click.command()
@click.pass_obj
def doctor(console: Console) -> None:
    """Check all that the service needs, and what runs of it. Each line is ok, or says what to do.

    The status is 1 if a check has failed; warnings do not count.
    """
    found = []
    for finding in examine(console.services):
        found.append(finding)
        if not console.as_json:
            click.echo(_line(finding))
    failed = sum(finding.verdict == "failed" for finding in found)
    if console.as_json:
        console.show({"ok": not failed, "findings": [asdict(finding) for finding in found]}, "")
    if failed:
        raise click.exceptions.Exit(1)


def _line(finding: Finding) -> str:
    mark, colour = _MARKS[finding.verdict]
    advice = f"\n{'':9}{'':18}-> {finding.advice}" if finding.advice else ""
    return f"{click.style(f'{mark:<9}', fg=colour)}{finding.subject:<18}{finding.words}{advice}"
