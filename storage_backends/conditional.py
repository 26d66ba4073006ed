"""Whether to send `If-None-Match: *` with a PUT, which makes S3 keep the first object of a key.

AWS, R2, MinIO, Ceph and SeaweedFS have it. Backblaze B2 and others refuse the call, and some servers ignore the header.
"""

import threading
from collections.abc import Callable
from typing import Literal

import structlog
from botocore.exceptions import BotoCoreError, ClientError

from storage_backends.s3_errors import code_of, status_of

Mode = Literal["auto", "on", "off"]

TAKEN = (409, 412)  # the key has an object already, or another process is writing it
_LACKING = (400, 403, 405, 501)  # what servers answer to a header that they do not know
_log = structlog.get_logger()


class ConditionalPuts:
    """S3_CONDITIONAL, and for `auto` what one probe of the server found."""

    def __init__(self, mode: Mode, put: Callable[..., object]) -> None:
        """`put` writes an object of the health prefix, with the parameters of `put_object` that it gets."""
        self._known = None if mode == "auto" else mode == "on"
        self._auto = mode == "auto"
        self._put = put
        self._lock = threading.Lock()

    def wanted(self) -> bool:
        """Return whether to send the header. The first call asks the server. If that tells nothing, a refusal will."""
        with self._lock:
            if self._known is None:
                self._known = self._ask()
            return self._known is not False

    def may_be_lacking(self, err: ClientError) -> bool:
        """Return whether a PUT failed perhaps because of the header, so that it is worth trying without."""
        return self._auto and status_of(err) in _LACKING

    def note_lacking(self, err: ClientError) -> None:
        """Send the header no more: without it, the same PUT worked."""
        self._known = False
        self._report("refused", code_of(err))

    def _ask(self) -> bool | None:
        """Put twice to one key, the second time under the condition that it has no object. The server must refuse that.

        None if an answer tells nothing about the condition.
        """
        try:
            self._put()
        except (BotoCoreError, ClientError):
            return None
        try:
            self._put(IfNoneMatch="*")
        except ClientError as err:
            if status_of(err) in _LACKING:
                self._report("refused", code_of(err))
                return False
            return True if status_of(err) in TAKEN else None
        except BotoCoreError:
            return None
        self._report("ignored", None)
        return False

    def _report(self, how: str, code: str | None) -> None:
        _log.warning("conditional_put_lacking", setting="S3_CONDITIONAL", server=how, code=code)
