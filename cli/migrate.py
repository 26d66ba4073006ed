"""`thumbnails migrate`."""

import click

from cli.console import Console
from sites.migrate import NewerDatabase, Unmigratable, missing_file, upgrade


@click.command()
@click.pass_obj
def migrate(console: Console) -> None:
    """Bring the tables of the database up to date."""
    url = console.settings.database_url
    new = missing_file(url)
    try:
        found, now = upgrade(url)
    except (NewerDatabase, Unmigratable) as err:
        raise click.ClickException(str(err)) from None
    facts = {"revision": now, "migrated": found != now, "made": new and str(new)}
    if new:
        console.show(facts, f"Made a new, empty catalogue: {new}")
    elif found == now:
        console.show(facts, f"The database is up to date: revision {now}.")
    else:
        console.show(facts, f"Migrated from revision {found or 'none'} to {now}.")
