"""PagePeeker: `/v2/thumbs.php`, and `/v2/thumbs_generated.php`. https://pagepeeker.com/website-thumbnails-api/"""

import re
from collections.abc import Mapping

from errors import Pending
from web.dialects.dialect import AnswerKind, InboundDialect, Spoken, Values
from web.dialects.faces import PictureFace
from web.dialects.rules import Rule, flag, is_on
from web.dialects.words import words_in

_SIZES = {"t": (90, 68), "s": (120, 90), "m": (200, 150), "l": (400, 300), "x": (480, 360)}
_TABLE: Mapping[str, Rule] = {"refresh": flag("fresh")}


def _address(path: str, query: str) -> Spoken | None:
    words = words_in(query)
    wish = AnswerKind.STATE if "thumbs_generated" in path else AnswerKind.PICTURE
    return Spoken(words.get("url", "").strip(), words, wish)


def _finish(values: Values, words: Mapping[str, str]) -> None:
    size = words.get("size", "m").strip().lower()[:1]
    values["w"], values["h"] = _SIZES.get(size, _SIZES["m"])
    if is_on(words.get("wait", "false")):
        del values["wait"]


PAGEPEEKER = InboundDialect(
    name="pagepeeker",
    paths=re.compile(r"/v2/thumbs(_generated)?\.php"),
    routes=("/v2/thumbs.php", "/v2/thumbs_generated.php"),
    address=_address,
    table=_TABLE,
    # The same window as that of mShots, so that one capture serves both.
    defaults={"width": 1280, "height": 960, "format": "jpeg"},
    finish=_finish,
    face=PictureFace((Pending,)),
    waits=0,
)
