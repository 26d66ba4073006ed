"""Explains the query of `/explain`, which is that of `/thumb` with a `client`."""

from urllib.parse import unquote_plus

from errors import InvalidOption
from services import Services
from thumbnails import Explanation
from web.http.budgets import Budgets, usages

CLIENT = "client"


def explain_query(
    services: Services,
    budgets: Budgets,
    query: bytes,
    caller: str,
    own_limit: str | None = None,
    *,
    preferred: str = "png",
) -> Explanation:
    """Explain what `/thumb` would make of `query` for the client that it names, else for the `caller`, who may have its own limit of captures.

    Raises InvalidOption, InvalidURL or BlockedTarget.
    """
    pieces = [(piece, piece.partition("=")) for piece in query.decode("latin-1").split("&")]
    named = [unquote_plus(value) for _, (name, _, value) in pieces if name == CLIENT]
    if len(named) > 1:
        raise InvalidOption(f"is set {len(named)} times; send it once", field=CLIENT)
    options = "&".join(piece for piece, (name, _, _) in pieces if name != CLIENT).encode("latin-1")
    wanted = services.thumbnailer.settle(services.validator.parse_query(options, preferred))
    asked = named[0].strip() if named else ""
    client, own_limit = services.access.find_client(asked) if asked else (caller, own_limit)
    return services.explainer.explain(wanted.owned_by(client), client, usages(services, budgets, client, own_limit))
