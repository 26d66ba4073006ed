"""Entity tags of what callers edit: `ETag` in answers, `If-Match` in requests (RFC 9110, 13.1.1).

A tag holds the revision, and a hash of the body. So a new capture makes another tag, for caches, and does not hinder an
edit, which only another edit does.
"""

import hashlib

from flask import Response, request
from werkzeug.http import parse_etags

from errors import InvalidOption, RevisionConflict


def tag_revision(response: Response, revision: int) -> Response:
    """Give `response` its `ETag`, or make it a 304 if the caller has the same body."""
    digest = hashlib.sha256(response.get_data()).hexdigest()[:16]
    response.set_etag(f"{revision}-{digest}")
    if request.method in ("GET", "HEAD"):
        environ = {name: value for name, value in request.environ.items() if name not in _WRITES_ONLY}
        response.make_conditional(environ)
    return response


def expected_revision() -> int | None:
    """Return the revision that `If-Match` of the current request names, None if any will do.

    Raises InvalidOption for several tags, and RevisionConflict for one that this service has not given.
    """
    header = request.headers.get("If-Match")
    if header is None:
        return None
    tags = parse_etags(header)
    if tags.star_tag:
        return None
    given = [*tags.as_set(include_weak=True)]
    if len(given) != 1:
        raise InvalidOption("must be the one ETag of what you read, or *", field="If-Match")
    revision = (given[0] or "").partition("-")[0]  # Werkzeug reads the empty tag as None
    if not revision.isascii() or not revision.isdecimal() or len(revision) > 9:
        raise RevisionConflict("If-Match is no ETag of this service; read the site again")
    return int(revision)


_WRITES_ONLY = frozenset(("HTTP_IF_MATCH", "HTTP_IF_UNMODIFIED_SINCE"))
