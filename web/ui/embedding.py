"""`/thumbs.js`: the script with which pages of other sites show pictures that were pending, without a reload."""

import hashlib
import re

from flask import Blueprint, Response

from web.http.pictures import conditional
from web.ui.assets import Assets

# Every page of other sites loads the script, so it is sent without what is for those who read it here.
_COMMENTS_AND_MARGINS = re.compile(rb"^\s*//.*\n|^\s+", re.MULTILINE)
_HEADERS = {
    "Cache-Control": "public, max-age=3600",  # its address never changes, so browsers ask for a newer one
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "X-Content-Type-Options": "nosniff",
}


def blueprint() -> Blueprint:
    views = Blueprint("embedding", __name__)
    script = Assets().read("thumbs.js")
    body = _COMMENTS_AND_MARGINS.sub(b"", script.body)
    etag = hashlib.sha256(body).hexdigest()[:32]

    @views.get("/thumbs.js")
    def thumbs_js() -> Response:
        response = Response(body, content_type=script.content_type)
        response.headers.update(_HEADERS)
        response.set_etag(etag)
        return conditional(response)

    return views
