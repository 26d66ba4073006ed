"""Explains the query of `/explain`, which is that of `/thumb` with a `client`."""

from urllib.parse import unquote_plus

from access import AccessRules, Budgets
from errors import InvalidOption
from thumbnails.explanation import Explainer, Explanation
from thumbnails.thumbnailer import Thumbnailer
from validation import Validator

CLIENT_FIELD = "client"


class QueryExplainer:
    def __init__(
        self,
        explainer: Explainer,
        thumbnailer: Thumbnailer,
        validator: Validator,
        access: AccessRules,
        budgets: Budgets,
    ) -> None:
        self._explainer = explainer
        self._thumbnailer = thumbnailer
        self._validator = validator
        self._access = access
        self._budgets = budgets

    def explain(
        self, query: bytes, caller: str, own_limit: str | None = None, *, preferred: str = "png"
    ) -> Explanation:
        """Explain what `/thumb` would make of `query` for the client that it names, else for the `caller`, who may have its own limit of captures.

        Raises InvalidOption, InvalidURL or BlockedTarget.
        """
        pieces = [(piece, piece.partition("=")) for piece in query.decode("latin-1").split("&")]
        named = [unquote_plus(value) for _, (name, _, value) in pieces if name == CLIENT_FIELD]
        if len(named) > 1:
            raise InvalidOption(f"is set {len(named)} times; send it once", field=CLIENT_FIELD)
        options = "&".join(piece for piece, (name, _, _) in pieces if name != CLIENT_FIELD).encode("latin-1")
        wanted = self._thumbnailer.settle(self._validator.parse_query(options, preferred))
        asked = named[0].strip() if named else ""
        client, own_limit = self._access.find_client(asked) if asked else (caller, own_limit)
        return self._explainer.explain(wanted.owned_by(client), client, self._budgets.usages(client, own_limit))
