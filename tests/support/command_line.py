"""The command `thumbnails` in the test's own process, with the services of a test."""

import json
from collections.abc import Callable

from click.testing import CliRunner, Result

from cli.console import Console
from cli.main import thumbnails
from services import Services


def runner_for(services: Services) -> Callable[..., Result]:
    """Return what runs `thumbnails` with some arguments."""
    console = Console()
    console.__dict__ |= {"services": services, "settings": services.settings}

    def run(*arguments: object, **more: object) -> Result:
        return CliRunner().invoke(thumbnails, [str(each) for each in arguments], obj=console, **more)

    return run


def facts(result: Result) -> dict:
    """Read the JSON that a command has printed. Events of the log come before it, which a program's own log does not."""
    return json.loads(result.stdout.splitlines()[-1])
