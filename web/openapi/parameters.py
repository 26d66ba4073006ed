"""Parameters that several routes share."""

from web.openapi.row import header, in_path

_NUMBER = {"type": "integer", "minimum": 1, "maximum": 2**31 - 1}

CONDITIONAL = (header("If-None-Match", "The `ETag` of the picture that the caller has: the same one gets a 304."),)
PREFER = (
    header(
        "Prefer",
        "`respond-async` prefers a job to waiting for a capture; with `wait=10`, to waiting longer than ten seconds.",
    ),
)
IDEMPOTENCY_KEY = (
    header(
        "Idempotency-Key",
        "A retry with the same key and body gets the first response again.",
        {"type": "string", "pattern": "^[!-~]{1,255}$"},
    ),
)
IDEMPOTENCY_KEY_OF_SITE = (
    header("Idempotency-Key", "For one site: a retry with the same key and body gets the first response again."),
)
IF_MATCH = (header("If-Match", "The `ETag` of the site that the caller has read: it must not have been edited since."),)
SITE = (in_path("id", _NUMBER, "The number of the site."),)
VERSION = (*SITE, in_path("number", _NUMBER, "The number of the version."))
JOB = (in_path("id", {"type": "string", "pattern": "^[0-9a-f]{32}$"}, "The id of the job or the batch."),)
