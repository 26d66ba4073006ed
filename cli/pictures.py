"""`thumbnails capture`, `sign`, `purge` and `explain`."""

import time
from pathlib import Path
from urllib.parse import urlencode

import click

from access import pairs_of_card
from access import sign as signature
from cards import CardError
from cli.console import Console
from errors import InvalidOption
from jobs import new_id
from model import ThumbnailRequest
from options import CARD_OPTIONS, FORMATS
from path_form import write_path
from thumbnails import Ask, NoCharge, describe

CLIENT = "command line"
STANDARD = Path("-")
_ENDINGS = {ending: name for name, ending in ((each.name, each.ending) for each in FORMATS.values() if each.ending)}


@click.command()
@click.argument("url")
@click.option("--option", "-o", "options", multiple=True, help="an option of /thumb, such as w=320; repeatable")
@click.option(
    "--output",
    "-f",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    help="the file, whose ending chooses the format; - for standard output",
)
@click.option("--fresh", is_flag=True, help="capture the page even if its picture is known")
@click.pass_obj
def capture(console: Console, url: str, options: tuple[str, ...], output: Path | None, *, fresh: bool) -> None:
    """Write the picture of the page at URL into a file."""
    console.services.purges.refresh()
    request = _request(console, url, options, output, fresh=fresh)
    file = output or Path(f"{request.target.host.strip('[]')}.{FORMATS[request.rendition.format].ending}")
    console.services.access.blocked.require_shown(request.target)
    served = console.services.thumbnailer.get(Ask(request, NoCharge(CLIENT), new_id()), stale_ok=False)
    picture = served.picture
    if file == STANDARD:
        console.output().write(picture.body)
    else:
        try:
            file.write_bytes(picture.body)
        except OSError as err:
            raise click.ClickException(f"{file}: {err.strerror}") from None
    facts = {
        "file": str(file),
        "url": request.target.url,
        "cache": str(served.cache),
        "content_type": picture.content_type,
        "width": picture.width,
        "height": picture.height,
        "bytes": len(picture.body),
        "captured_at": picture.captured_at.isoformat(),
        "notes": str(picture.notes),
    }
    notes = f" ({picture.notes})" if str(picture.notes) else ""
    words = f"{file}: {picture.width} x {picture.height}, {len(picture.body):,} bytes, {served.cache}{notes}"
    console.show(facts, words, err=file == STANDARD)


def _request(
    console: Console, url: str, options: tuple[str, ...], output: Path | None, *, fresh: bool
) -> ThumbnailRequest:
    given = _pairs(options)
    ending = output.suffix.lower().removeprefix(".") if output else ""
    if ending and "format" not in dict(given):
        if ending not in _ENDINGS:
            raise click.UsageError(
                f"--output: a file of the service ends in {', '.join(f'.{each}' for each in _ENDINGS)}"
            )
        given.append(("format", _ENDINGS[ending]))
    if fresh:
        given.append(("fresh", "1"))
    wanted = console.services.validator.parse_query(urlencode([("url", url), *given]).encode())
    return console.services.thumbnailer.settle(wanted.owned_by(CLIENT))


def _pairs(options: tuple[str, ...]) -> list[tuple[str, str]]:
    pairs = []
    for option in options:
        name, equals, value = option.partition("=")
        if not equals:
            raise click.UsageError(f"--option {option}: write it as name=value, such as w=320")
        pairs.append((name, value))
    return pairs


@click.command()
@click.argument("url", default="")
@click.option("--card", metavar="TEMPLATE", help="sign a card in place of a thumbnail; its variables are options")
@click.option("--option", "-o", "options", multiple=True, help="an option of /thumb, such as w=320; repeatable")
@click.option("--expires-in", type=click.IntRange(min=1), help="seconds for which the URL is valid")
@click.option("--path", "as_path", is_flag=True, help="print /t/… with a file ending, instead of /thumb?…")
@click.pass_obj
def sign(
    console: Console, url: str, card: str | None, options: tuple[str, ...], expires_in: int | None, *, as_path: bool
) -> None:
    """Print a signed thumbnail URL for URL, or with --card the signed URL of a card."""
    services = console.services
    if not services.access.signing_keys:
        raise click.ClickException("set SIGNING_KEYS first: its first key signs the URL")
    if bool(url) == bool(card) or (card and as_path):
        raise click.UsageError("name either the URL of a page or, with --card, a template")
    pairs = _pairs(options) if card else [("url", url), *_pairs(options)]
    if expires_in is not None:
        pairs.append(("expires", str(int(time.time()) + expires_in)))
    if card:
        address = _signed_card(console, card, dict(pairs))
        console.show({"url": address}, address)
        return
    services.access.require_size(services.validator.parse_query(urlencode(pairs).encode()).rendition)
    pairs.append(("sig", signature(services.access.signing_keys[0], pairs)))
    address = write_path(pairs) if as_path else f"/thumb?{urlencode(pairs)}"
    signed = (services.settings.public_url or "") + address
    console.show({"url": signed}, signed)


def _signed_card(console: Console, name: str, options: dict[str, str]) -> str:
    """Return the signed URL of a card; `options` are its variables, and options of its picture."""
    services, format_ = console.services, options.pop("format", "png")
    try:
        template = services.templates[name]
        template.read({key: text for key, text in options.items() if key not in CARD_OPTIONS})
    except CardError as err:
        raise click.ClickException(str(err)) from None
    own = {key: text for key, text in options.items() if key in CARD_OPTIONS}
    services.access.require_size(services.validator.parse_card(own, format_)[0])
    signed = services.access.signed(pairs_of_card(name, options.items()))[-1]
    return f"{services.settings.public_url or ''}/card/{name}.{format_}?{urlencode([*options.items(), signed])}"


@click.command()
@click.option("--url", help="a page, in all sizes")
@click.option("--host", help="all pages of example.com, or of *.example.com")
@click.option("--site", type=int, help="the page of a site, by its number")
@click.option("--tag", help="the pages of all sites with this tag")
@click.option("--all", "everything", is_flag=True, help="all pages")
@click.option("--older-than", help="only what is older: seconds, or a moment such as 2026-01-31T12:00:00Z")
@click.pass_obj
def purge(console: Console, /, *, everything: bool, older_than: str | None, **order: str | int | None) -> None:
    """Show no picture any more of a page, a host, a site, a tag, or of all that is older."""
    given: dict[str, object] = {name: value for name, value in order.items() if value is not None}
    if everything:
        given["all"] = True
    if older_than is not None:
        given["older_than"] = float(older_than) if older_than.replace(".", "", 1).isdecimal() else older_than
    if not given:
        raise click.UsageError("give one of --url, --host, --site, --tag, --all and --older-than")
    try:
        what = console.services.purging.reader.read(given)
    except InvalidOption as err:
        words = ", ".join(f"--{name.replace('_', '-')}" for name in (err.field or "").split(", ") if name)
        raise click.UsageError(f"{words}: {err.reason}") from None
    report = console.services.purging.purger.purge(what)
    told = ", ".join(f"{name} {state}" for name, state in report.caches.items())
    console.show(
        report.description, f"Purged {report.order.what}: {len(report.order.scopes):,} pages or hosts. {told}".rstrip()
    )


@click.command()
@click.argument("url")
@click.option("--option", "-o", "options", multiple=True, help="an option of /thumb, such as w=320; repeatable")
@click.option("--client", help="whose budgets to show: an address, or the name of an API key")
@click.pass_obj
def explain(console: Console, url: str, options: tuple[str, ...], client: str | None) -> None:
    """Say what the service knows of the page at URL, and what a request would get. Captures nothing.

    The memory of the web processes is not seen from here: GET /explain shows that of one of them.
    """
    pairs = [("url", url), *_pairs(options), *([("client", client)] if client else [])]
    console.services.purges.refresh()
    explained = console.services.query_explainer.explain(urlencode(pairs).encode(), CLIENT)
    facts = describe(explained)
    facts["cache"]["memory"] = facts["cache"]["original_in_memory"] = "not seen from here"
    console.show(facts, "\n".join(_outline(facts)))


def _outline(value: object, indent: str = "") -> list[str]:
    """Write what JSON holds as indented lines. Empty values are left out."""
    lines: list[str] = []
    for name, each in (
        value.items() if isinstance(value, dict) else enumerate(value, 1) if isinstance(value, list) else ()
    ):
        if isinstance(each, dict | list):
            inner = _outline(each, indent + "  ")
            lines += [f"{indent}{name}:", *inner] if inner else []
        elif each is not None and each != "":
            lines.append(f"{indent}{name}: {each}")
    return lines
