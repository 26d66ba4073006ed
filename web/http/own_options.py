"""Options of an endpoint besides those of a thumbnail: taken out of the query, so that the rest is a query of `/thumb`.

The rest is what a signature covers. So the signature of a thumbnail's URL holds for everything that is shown of its page.
"""

from collections.abc import Collection
from urllib.parse import unquote_plus

from errors import InvalidOption
from options import BLANKS


def take_own(query: bytes, names: Collection[str]) -> tuple[bytes, dict[str, str]]:
    """Return the query without the options `names`, and their values without blanks around them.

    Raises InvalidOption for one that is repeated.
    """
    rest, own = [], {}
    for pair in query.decode("latin-1").split("&"):
        name, _, value = pair.partition("=")
        name = unquote_plus(name)
        if name not in names:
            rest.append(pair)
        elif name in own:
            raise InvalidOption("is set more than once; send it once", field=name)
        else:
            own[name] = unquote_plus(value).strip(BLANKS)
    return "&".join(rest).encode("latin-1"), own
