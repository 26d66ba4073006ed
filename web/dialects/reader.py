"""Reads the addresses of one dialect, for the fast path and for Flask alike."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from errors import BadSignature, InvalidOption, InvalidURL, KeyRequired, ThumbnailError
from model import ThumbnailRequest
from options import PNG, SCREENSHOT, CaptureOptions, options_of
from services import Services
from validation import Validator
from web.dialects.credentials import Proof, find_pair, prove
from web.dialects.dialect import AnswerKind, InboundDialect, Spoken
from web.dialects.ladder import on_ladder
from web.dialects.rules import translate
from web.dialects.words import without_blanks, words_in, words_of
from web.http.thumb_paths import Presenter, raw_path

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_REMEMBERED = 4096  # addresses of one dialect, as long as this, so that a stranger's do not fill the memory
_LONGEST_REMEMBERED = 1024
_MOST_REFUSALS = 16
_DEFAULTS = {each.name: each.default for each in options_of(CaptureOptions)[1:] if each.attribute == each.name}


@dataclass(frozen=True, slots=True)
class Read:
    """What an address says, and the request that it makes, or the error that it makes instead."""

    spoken: Spoken
    wanted: ThumbnailRequest | ThumbnailError


class DialectReader:
    """Reads requests in `dialect` by the rules of one installation."""

    def __init__(self, dialect: InboundDialect, services: Services) -> None:
        self.dialect = dialect
        self.name = dialect.name
        self.rules = dialect.routes
        self.presenter: Presenter | None = dialect.face
        self._validator = services.validator
        self._access = services.access
        self._require_expressible = services.screenshot_api.require_expressible
        self._remembered = lru_cache(maxsize=_REMEMBERED)(self._read)

    def matches(self, path: str) -> bool:
        return self.dialect.paths.fullmatch(path) is not None

    def look(self, environ: "WSGIEnvironment") -> Read | None:
        """Return what an address says, None if this dialect has no such address."""
        path, query = raw_path(environ), environ["QUERY_STRING"]
        short = len(path) + len(query) <= _LONGEST_REMEMBERED
        return (self._remembered if short else self._read)(path, query)

    def look_at_body(self, words: Mapping[str, str]) -> Read:
        """Return what the options in a body say. Options that may hold secrets are taken from a body alone."""
        posts = self.dialect.posts
        assert posts is not None, self.name  # noqa: S101 - the view has no such method then
        spoken = posts(words)
        return Read(spoken, self._request(spoken, private=True))

    def words_in(self, form: str) -> dict[str, str]:
        return words_in(form, self.dialect.lists)

    def words_of(self, body: Mapping[str, object]) -> dict[str, str]:
        return words_of(body, self.dialect.lists)

    def read(self, environ: "WSGIEnvironment") -> ThumbnailRequest | None:
        """Return the picture that an address asks for, None for something else. Raises InvalidURL or BlockedTarget."""
        found = self.look(environ)
        if found is None or found.spoken.wish is not AnswerKind.PICTURE:
            return None
        if isinstance(found.wanted, ThumbnailError):
            raise found.wanted.untraced()
        return found.wanted

    def require_allowed(self, environ: "WSGIEnvironment", wanted: ThumbnailRequest) -> None:
        """Raise an error unless everybody who has the address may see the picture."""
        found = self.look(environ)
        if found is not None and self.prove(found.spoken, wanted).by_secret:
            raise KeyRequired("the caller is known by a key")  # Flask responds: no cache keeps such an answer
        self.require_target(wanted)

    def prove(self, spoken: Spoken, wanted: ThumbnailRequest | None = None) -> Proof:
        """Check the caller's key or signature. Raises KeyRequired, BadKey or BadSignature."""
        if not self.dialect.keyed:
            return find_pair(self._access, spoken.credentials) if spoken.credentials.key else Proof()
        proof = prove(self._access, spoken.credentials, self.name)
        if wanted and wanted.capture.format == "pdf" and proof.signed and not spoken.credentials.covers_format:
            raise BadSignature(
                "covers no format, and a PDF is another capture; ask for it with the key alone", field="sig"
            )
        return proof

    def require_target(self, wanted: ThumbnailRequest) -> None:
        """Raise ForbiddenHost unless the target may be captured, and InvalidOption for a size that is not on the ladder."""
        self._access.require_size(wanted.rendition)
        self._access.require_target(wanted.target)

    def written(self, environ: "WSGIEnvironment") -> Mapping[str, str]:
        found = self.look(environ)
        values = self._values(found.spoken) if found else {}
        return {name: str(round(values[name])) for name in ("width", "height", "w", "h") if name in values}

    def _read(self, path: str, query: str) -> Read | None:
        spoken = self.dialect.address(path, query)
        return None if spoken is None else Read(spoken, self._request(spoken))

    def _values(self, spoken: Spoken, *, private: bool = False) -> dict[str, Any]:
        values = dict(self.dialect.defaults) | translate(spoken.words, self.dialect.table, private=private)
        if self.dialect.waits is not None:
            values.setdefault("wait", self.dialect.waits)
        self.dialect.finish(values, spoken.words)
        return values

    def _request(self, spoken: Spoken, *, private: bool = False) -> ThumbnailRequest | ThumbnailError:
        if spoken.wish in (AnswerKind.WAITING, AnswerKind.USAGE):
            return InvalidURL("is missing")
        try:
            wanted = _lenient(
                self._validator, self._values(spoken, private=private) | {"url": without_blanks(spoken.target)}
            )
            wanted = self._drawable(wanted)
            return replace(wanted, rendition=on_ladder(wanted.rendition, self._access.sizes))
        except ThumbnailError as err:
            return err.untraced()

    def _drawable(self, wanted: ThumbnailRequest) -> ThumbnailRequest:
        """Leave out the options that no screenshot API in use has."""
        for _ in range(_MOST_REFUSALS):
            try:
                self._require_expressible(
                    replace(wanted.capture, image=SCREENSHOT)
                )  # the service itself fetches other pictures
            except InvalidOption as err:
                if err.field not in _DEFAULTS:
                    raise
                wanted = replace(wanted, capture=replace(wanted.capture, **{err.field: _DEFAULTS[err.field]}))
            else:
                break
        return wanted


def _lenient(validator: Validator, options: Mapping[str, object]) -> ThumbnailRequest:
    """Validate `options`, and leave out those that are refused, but never the URL. Raises InvalidURL or BlockedTarget."""
    left = dict(options)
    while True:
        try:
            return validator.parse_json(left, PNG)
        except InvalidOption as err:
            if left.pop(err.field, None) is None:
                raise
