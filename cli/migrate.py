"""`thumbnails migrate`."""

import click

from cli.console import Console
from sites.migrate import NewerDatabase, Unmigratable, upgrade


@click.command()
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
