"""Hermesforge: `GET /api/screenshot`. https://hermesforge.dev"""

import re

from errors import RateLimited, Unauthorized
from web.dialects.credentials import Credentials
from web.dialects.dialect import InboundDialect, Spoken
from web.dialects.faces import JSONFace, Name, Said
from web.dialects.rules import FORMATS, choice, rules_of
from web.dialects.words import words_in


def _address(_path: str, query: str) -> Spoken | None:
    words = words_in(query)
    return Spoken(words.get("url", "").strip(), words, credentials=Credentials(words.get("api_key", "")))


def _body(said: Said) -> dict[str, object]:
    return {"error": said.code, "message": said.text, "status": said.status}


HERMESFORGE = InboundDialect(
    name="hermesforge",
    paths=re.compile(r"/api/screenshot/?"),
    routes=("/api/screenshot",),
    address=_address,
    table={**rules_of("hermesforge"), "format": choice("format", FORMATS)},
    keyed=True,
    face=JSONFace((Name((Unauthorized,), "unauthorized"), Name((RateLimited,), "rate_limited")), _body),
)
