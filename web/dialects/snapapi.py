"""SnapAPI: `POST /v1/screenshot` with its key in `X-Api-Key`. https://snapapi.pics/docs.html

SnapSharp has the same path. See `web.dialects.roots`.
"""

import re
from collections.abc import Mapping

from errors import BadKey, BadRequest, BlockedTarget, CaptureTimeout, KeyRequired, Pending, RateLimited
from web.dialects.dialect import InboundDialect, Spoken
from web.dialects.faces import JSONFace, Name, Said
from web.dialects.rules import FORMATS, choice, rules_of
from web.dialects.words import words_in

_TABLE = {**rules_of("snapapi"), "format": choice("format", FORMATS)}
# Names that SnapSharp's clients do not send: a body with one of them is SnapAPI's.
OWN_NAMES = frozenset(name for name in _TABLE if not name.islower())
PATH = "/snapapi/v1/screenshot"


def _address(_path: str, query: str) -> Spoken | None:
    return _spoken(words_in(query))


def _spoken(words: Mapping[str, str]) -> Spoken:
    return Spoken(words.get("url", "").strip(), words)


def _body(said: Said) -> dict[str, object]:
    body: dict[str, object] = {"statusCode": said.status, "error": said.code, "message": said.text}
    wait = said.error.retry_after if said.error else None
    return body if wait is None else body | {"details": {"retryAfter": wait}}


SNAPAPI = InboundDialect(
    name="snapapi",
    paths=re.compile(rf"{PATH}/?"),
    routes=(PATH,),
    address=_address,
    table=_TABLE,
    keyed=True,
    posts=_spoken,
    lists=frozenset({"hideSelectors"}),
    face=JSONFace(
        (
            Name((KeyRequired, BadKey), "UNAUTHORIZED", 401),
            Name((BlockedTarget,), "INVALID_URL", 400),
            Name((BadRequest,), "VALIDATION_ERROR", 400),
            Name((RateLimited,), "RATE_LIMITED", 429),
            Name((CaptureTimeout, Pending), "TIMEOUT", 504),
        ),
        _body,
        other="SCREENSHOT_FAILED",
    ),
)
