"""`flask sign`: print a signed thumbnail URL."""

import time
from urllib.parse import urlencode

import click
from flask import Flask

from access import sign
from errors import ThumbnailError
from services import Services


def add_command(app: Flask, services: Services) -> None:
    @app.cli.command("sign")
    @click.argument("url")
    @click.option("--option", "-o", "options", multiple=True, help="name=value of the API, such as w=320; repeatable")
    @click.option("--expires-in", type=int, help="seconds for which the URL shall be valid")
    def command(url: str, options: tuple[str, ...], expires_in: int | None) -> None:
        """Print a signed thumbnail URL for URL."""
        if not services.access.signing_keys:
            raise click.ClickException("SIGNING_KEYS is not set: there is nothing to sign with")
        pairs = [("url", url), *_pairs(options, expires_in)]
        try:
            services.access.require_size(services.validator.parse_query(urlencode(pairs).encode()).rendition)
        except ThumbnailError as err:
            raise click.ClickException(err.detail) from None
        signature = sign(services.access.signing_keys[0], pairs)
        base = services.settings.public_url or ""
        click.echo(f"{base}/thumb?{urlencode([*pairs, ('sig', signature)])}")


def _pairs(options: tuple[str, ...], expires_in: int | None) -> list[tuple[str, str]]:
    pairs = [(name, value) for name, _, value in (option.partition("=") for option in options)]
    if expires_in is not None:
        pairs.append(("expires", str(int(time.time()) + expires_in)))
    return pairs
