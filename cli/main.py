"""The group of all commands. Its services are made for the first command that needs some."""

import errno
from typing import Any

import click

from cli import backup, doctor, pictures, sites
from cli.console import Console
from errors import ThumbnailError
from sites.migrate import NewerDatabase, Unmigratable, upgrade


class _Group(click.Group):
    def invoke(self, context: click.Context) -> Any:
        """Run a command. What callers of the service would be told, the operator is told too."""
        try:
            return super().invoke(context)
        except ThumbnailError as err:
            raise click.ClickException(err.detail or err.title) from None
        except OSError as err:
            if err.errno == errno.EPIPE:  # the reader of a pipe has seen enough; click ends the process quietly
                raise
            words = err.strerror or str(err)
            raise click.ClickException(f"{err.filename}: {words}" if err.filename else words) from None


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option("0.1.0", prog_name="thumbnails")
@click.option("--json", "as_json", is_flag=True, help="print JSON, for programs")
@click.pass_context
def thumbnails(context: click.Context, *, as_json: bool) -> None:
    """Steer the thumbnail service. Run it in the folder of its `.env`, or in its container."""
    if context.obj is None:
        context.obj = context.with_resource(Console.opened())
    context.obj.as_json = as_json


@thumbnails.command()
@click.pass_obj
def migrate(console: Console) -> None:
    """Bring the tables of the database up to date."""
    try:
        found, now = upgrade(console.settings.database_url)
    except (NewerDatabase, Unmigratable) as err:
        raise click.ClickException(str(err)) from None
    if found == now:
        console.show({"revision": now, "migrated": False}, f"The database is up to date: revision {now}.")
    else:
        console.show({"revision": now, "migrated": True}, f"Migrated from revision {found or 'none'} to {now}.")


for command in (*pictures.COMMANDS, sites.GROUP, doctor.doctor, backup.backup, backup.restore):
    thumbnails.add_command(command)


def main() -> None:
    """Run the command of the process's arguments, and end the process with its status."""
    thumbnails(prog_name="thumbnails")
