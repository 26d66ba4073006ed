"""The names of all keys that this service has in Redis. The module that writes a key describes its value."""

PREFIX = "thumb:"

READY = PREFIX + "ready"  # written by `/ready` as a proof that Redis takes writes

PICTURE = PREFIX + "picture:"  # + digest of a rendition's or a capture's key
ORIGINAL = PREFIX + "original:"  # + digest of a capture's key: when it was last captured
FAILURE = PREFIX + "failure:"  # + digest of a capture's key
WANTED = PREFIX + "wanted:"  # + digest of a capture's key: where others wait for its original

BREAKER_FAILURES = PREFIX + "breaker:failures"
BREAKER_OPEN = PREFIX + "breaker:open"
BREAKER_PROBE = PREFIX + "breaker:probe"
QUOTA = PREFIX + "{captures}:"  # + limit

IDEMPOTENCY = PREFIX + "{idempotency}:"  # + hash of endpoint, caller and key

JOBS = PREFIX + "{jobs}:"  # + index, unfinished, due, outbox, counts, job:<id>, batch:<id>, done:<id>
CELERY = PREFIX + "celery:"  # + queue

RECEIVER_HELD = PREFIX + "receiver:held:"  # + host
RECEIVER_UNRESPONSIVE = PREFIX + "receiver:silent:"  # + host
RECEIVER_SLOT = PREFIX + "receiver:place:"  # + worker, number
RECEIVER_QUEUE = PREFIX + "receiver:line:"  # + host

POPULARITY = PREFIX + "views"
REFRESHED = PREFIX + "refreshed:"  # + digest of a capture's key
REFRESH_BUDGET = PREFIX + "refreshes"


def lease(subject: str) -> str:
    return f"{PREFIX}lease:{{{subject}}}"


def lease_done(subject: str, token: str) -> str:
    return f"{PREFIX}done:{{{subject}}}:{token}"
