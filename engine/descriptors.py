"""Raises the process's limit of open files. Each connection of a page takes two file descriptors."""

import contextlib
import errno
import resource

import structlog

INHERITED_LIMIT, _ = resource.getrlimit(resource.RLIMIT_NOFILE)  # the browsers get this one
PER_CAPTURE = 1024  # 256 connections, as many that are opening or closing, and the look-ups
MAX_LIMIT = 1 << 18  # twice what the highest ENGINE_CONCURRENCY can need
LESS = (1 << 16, 10_240)  # on macOS, the kernel takes less than the hard limit says, yet always the last of these
EXHAUSTED = (errno.EMFILE, errno.ENFILE)

log = structlog.get_logger()


def raise_limit(captures: int) -> None:
    """Raise the soft limit to the hard one, at most to `MAX_LIMIT`. Warn if `captures` at a time may need more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = soft
    for wanted in (MAX_LIMIT, *LESS):
        with contextlib.suppress(ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, wanted)), hard))
            allowed = max(soft, min(hard, wanted))
            break
    if allowed < captures * PER_CAPTURE:
        log.warning(
            "the limit of open files is low for ENGINE_CONCURRENCY: raise it, or captures may fail",
            allowed=allowed,
            wanted=captures * PER_CAPTURE,
        )
