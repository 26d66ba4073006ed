"""The group of all commands. A command's module is imported when it runs, so that help and completion are quick."""

import errno
from importlib import import_module
from typing import Any

import click

from errors import DatabaseUnavailable, QueueUnavailable, ThumbnailError

# In the order in which they are shown: the module that has the command, and what it does.
_COMMANDS = {
    "capture": ("pictures", "Write the picture of a page into a file."),
    "sign": ("pictures", "Print a signed thumbnail URL."),
    "purge": ("pictures", "Show no picture any more of a page, a host, a site, a tag, or of all."),
    "explain": ("pictures", "Say what is known of a page, and what a request would get."),
    "cards": ("static_cards", "Make share pictures of a static site's pages."),
    "sites": ("sites", "Import and export lists of sites."),
    "doctor": ("doctor", "Check everything that the service needs, and say what to do."),
    "backup": ("backup", "Write the catalogue and the permanent pictures into a file."),
    "restore": ("backup", "Bring back what a backup holds."),
    "migrate": ("migrate", "Bring the tables of the database up to date."),
}


class _Group(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's interface
        return [*_COMMANDS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - the same
        if cmd_name not in _COMMANDS:
            return None
        found: click.Command = getattr(import_module(f"cli.{_COMMANDS[cmd_name][0]}"), cmd_name)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - the same
        with formatter.section("Commands"):
            formatter.write_dl([(name, words) for name, (_, words) in _COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command. What callers of the service would be told, the operator is told too."""
        try:
            return super().invoke(ctx)
        except click.NoSuchOption as err:
            if err.option_name == "--json":
                raise click.UsageError("write --json before the command: thumbnails --json doctor", err.ctx) from None
            raise
        except DatabaseUnavailable as err:
            where = ctx.obj.services.database.where
            raise click.ClickException(f"the database {where} is {err.state}") from None
        except QueueUnavailable as err:
            variable = ctx.obj.services.connections.state.variable
            raise click.ClickException(f"{err.detail}; check {variable}, and run thumbnails doctor") from None
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
    from cli.console import Console  # noqa: PLC0415 - it imports the whole service, which help does not need

    if context.obj is None:
        context.obj = context.with_resource(Console.opened())
    context.obj.as_json = as_json


def main() -> None:
    """Run the command of the process's arguments, and end the process with its status."""
    thumbnails(prog_name="thumbnails")
