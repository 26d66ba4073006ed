"""The addresses of other services: the views of what the fast path does not serve. See docs/coming-from.md."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from urllib.parse import urlencode

from flask import Blueprint, Response, abort, json, request
from werkzeug.http import http_date

from access import sign
from errors import InvalidOption, ThumbnailError
from images.waiting import draw_waiting
from metadata import Metadata
from model import ThumbnailRequest
from options import PRIVATE, THUMBNAIL_OPTIONS, Clip, chosen
from options.values import clip_text
from services import Services
from thumbnails import Ask, CacheState, Served
from web import fast_path
from web.api.metadata import icon_response
from web.api.thumbs import get_picture
from web.dialects import AnswerKind, DialectReader, Proof, Spoken, Told, wants_page, wants_picture
from web.http.bodies import json_body
from web.http.budgets import Budgets
from web.http.cache_tags import note_page
from web.http.callers import Caller, identify_caller
from web.http.pictures import SAFE_HEADERS, picture_headers, picture_response
from web.http.request_log import log_facts, request_id
from web.http.thumb_paths import current_reader

_ICON_SIDE = 128  # pixels
_FAR = 63_115_200  # seconds: two years, for a picture that never changes


def add_views(views: Blueprint, services: Services, budgets: Budgets, readers: Sequence[DialectReader]) -> None:
    """Add a view for each of `readers` to the views of `/thumb`, whose headers they share."""
    for reader in readers:
        view = _DialectView(services, budgets, reader)
        for rule in reader.rules:
            views.add_url_rule(rule, reader.name, view.respond, methods=view.methods, merge_slashes=False)


class _DialectView:
    def __init__(self, services: Services, budgets: Budgets, reader: DialectReader) -> None:
        self._services, self._budgets, self._reader = services, budgets, reader
        self.methods = ["GET", "POST"] if reader.dialect.posts else ["GET"]
        self._respond_by_wish: Mapping[AnswerKind, Callable[[Spoken, ThumbnailRequest, Caller, bool], Response]] = {
            AnswerKind.PICTURE: self._picture,
            AnswerKind.JSON: self._told,
            AnswerKind.NOTHING: self._nothing,
            AnswerKind.STATE: self._state,
            AnswerKind.ICON: self._icon,
        }

    def respond(self, **_parts: str) -> Response:
        """Respond to a request in the dialect. The parts of the path were read by the reader, as they were sent."""
        if current_reader() is not self._reader:
            abort(404)
        found = (
            self._reader.look_at_body(self._words()) if request.method == "POST" else self._reader.look(request.environ)
        )
        if found is None:
            abort(404)
        if found.spoken.wish is AnswerKind.WAITING:
            return _waiting()
        caller, proof = self._identify(found.spoken, found.wanted)
        if found.spoken.wish is AnswerKind.USAGE:
            return self._usage(caller)
        if isinstance(found.wanted, ThumbnailError):
            raise found.wanted.untraced()
        wanted = self._services.thumbnailer.settle(found.wanted.owned_by(caller.name))
        log_facts(host=wanted.target.netloc)
        note_page(wanted.target)
        self._reader.require_target(wanted)
        if wanted.delivery.fresh and not self._may_refresh(proof):
            wanted = replace(wanted, delivery=replace(wanted.delivery, fresh=False))
        return self._respond_by_wish[found.spoken.wish](found.spoken, wanted, caller, proof.by_secret)

    def _words(self) -> Mapping[str, str]:
        if request.mimetype == "application/x-www-form-urlencoded":
            return self._reader.words_in(request.get_data().decode("latin-1"))
        body = json_body()
        if not isinstance(body, dict):
            raise InvalidOption('the body must be a JSON object such as {"url": "https://example.com/"}')
        return self._reader.words_of(body)

    def _identify(self, spoken: Spoken, wanted: ThumbnailRequest | ThumbnailError) -> tuple[Caller, Proof]:
        """Identify the caller, by a header or by what the address says."""
        caller = identify_caller(self._services.access)
        if caller.key is not None:
            return caller, Proof(caller.key, by_secret=True)
        proof = self._reader.prove(spoken, None if isinstance(wanted, ThumbnailError) else wanted)
        return (Caller(f"key:{proof.key.name}", proof.key) if proof.key else caller), proof

    def _may_refresh(self, proof: Proof) -> bool:
        """Return whether the caller may have a known page captured again: as for `/thumb`, a key or a signature says so."""
        access = self._services.access
        if access.keys:
            return proof.key is not None
        return proof.signed or not access.signing_keys

    def _picture(self, _spoken: Spoken, wanted: ThumbnailRequest, caller: Caller, by_secret: bool) -> Response:
        served, headers = self._get(wanted, caller)
        headers = picture_headers(served, wanted.delivery) | headers
        if by_secret:
            headers["Cache-Control"] = headers["Cache-Control"].replace("public", "private", 1)
        return picture_response(served.picture, headers)

    def _told(self, spoken: Spoken, wanted: ThumbnailRequest, caller: Caller, _by_secret: bool) -> Response:
        """Respond with an object about the picture, once it is there."""
        served, headers = self._get(wanted, caller) if wants_picture(self._reader.dialect, spoken) else (None, {})
        page = self._page(wanted, caller) if wants_page(self._reader.dialect, spoken) else None
        told = Told(spoken, wanted, self._link(wanted), served, page)
        response = Response(
            json.dumps(self._reader.dialect.tell(told)) + "\n", content_type="application/json; charset=utf-8"
        )
        state = "HIT" if served and served.cache in (CacheState.HIT, CacheState.STALE) else "MISS"
        response.headers.update(SAFE_HEADERS | {"Cache-Control": "no-store", "X-Cache-Status": state} | headers)
        return response

    def _nothing(self, _spoken: Spoken, wanted: ThumbnailRequest, caller: Caller, _by_secret: bool) -> Response:
        _, headers = self._get(wanted, caller)
        return Response(status=200, headers=SAFE_HEADERS | {"Cache-Control": "no-store"} | headers)

    def _state(self, _spoken: Spoken, wanted: ThumbnailRequest, _caller: Caller, _by_secret: bool) -> Response:
        """Say whether the picture is there. Nothing is captured."""
        ready = int(self._services.thumbnailer.has_picture(wanted))
        response = Response(f"__pp_rd({ready});\n", content_type="application/javascript; charset=utf-8")
        response.headers.update(SAFE_HEADERS | {"Cache-Control": "no-store"})
        return response

    def _icon(self, _spoken: Spoken, wanted: ThumbnailRequest, caller: Caller, _by_secret: bool) -> Response:
        charge = self._budgets.charge_of(caller.name, caller.own_limit)
        found = self._services.icons.get(Ask(wanted, charge, request_id()), _ICON_SIDE)
        return icon_response(found, wanted.delivery)

    def _usage(self, caller: Caller) -> Response:
        used = self._budgets.captures.usage(caller.name, caller.own_limit)
        reset = int(time.time()) + (used.seconds or used.window)
        response = Response(
            json.dumps({"limit": used.limit, "remaining": used.remaining, "reset": reset}) + "\n",
            content_type="application/json",
        )
        response.headers.update(SAFE_HEADERS | {"Cache-Control": "no-store"})
        return response

    def _get(self, wanted: ThumbnailRequest, caller: Caller) -> tuple[Served, dict[str, str]]:
        served, headers = get_picture(self._services, self._budgets, wanted, caller, fast_path.known_state())
        if request.method != "POST" and served.cache is not CacheState.MISS:  # programs are no visitors
            self._services.popularity.count_view(wanted, served.picture.captured_at)
        return served, headers

    def _page(self, wanted: ThumbnailRequest, caller: Caller) -> Metadata:
        """Return what the page says of itself. It comes with the picture, so it costs no capture beside that."""
        charge = self._budgets.charge_of(caller.name, caller.own_limit)
        return self._services.metadata.get(Ask(wanted, charge, request_id()))

    def _link(self, wanted: ThumbnailRequest) -> str:
        """Write an address of the picture that everybody may open; "" for a private one."""
        if wanted.private:
            return ""
        options = chosen(wanted.capture) | chosen(wanted.rendition)
        pairs = [(name, _written(value)) for name, value in options.items() if name in _LINKED]
        keys = self._services.access.signing_keys
        if keys:
            pairs.append(("sig", sign(keys[0], pairs)))
        base = self._services.settings.public_url or request.url_root.rstrip("/")
        return f"{base}/thumb?{urlencode(pairs)}"


_LINKED = THUMBNAIL_OPTIONS.keys() - PRIVATE


def _written(value: object) -> str:
    """Write an option's value for a query."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Clip):
        return clip_text(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _waiting() -> Response:
    response = Response(draw_waiting(), content_type="image/gif")
    response.headers.update(SAFE_HEADERS | {"Expires": http_date(time.time() + _FAR), "X-Thumb-State": "pending"})
    return response
