"""The command `flask sign`, which prints a signed thumbnail URL."""

import time
from urllib.parse import urlencode

import click
from flask import Flask

from access import sign
from errors import ThumbnailError
from services import Services


def install(app: Flask, services: Services) -> None:
    @app.cli.command("sign")
    @click.argument("url")
    @click.option("--option", "-o", "options", multiple=True, help="an option of /thumb, such as w=320; repeatable")
    @click.option("--expires-in", type=int, help="seconds for which the URL is valid")
    def command(url: str, options: tuple[str, ...], expires_in: int | None) -> None:
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
        signature = sign(services.access.signing_keys[0], pairs)
        base = services.settings.public_url or ""
        click.echo(f"{base}/thumb?{urlencode([*pairs, ('sig', signature)])}")
