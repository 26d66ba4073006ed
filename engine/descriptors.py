"""How many file descriptors a process of the engine may have: each connection of a page takes two of them."""

import errno
import resource

import structlog

GIVEN, _ = resource.getrlimit(resource.RLIMIT_NOFILE)  # with which the process was started, and its browsers are
FOR_A_CAPTURE = 1024  # its 256 connections, as many that are just coming or going, and its look-ups
MOST = 1 << 18  # twice what the most captures can need
NONE_LEFT = (errno.EMFILE, errno.ENFILE)

log = structlog.get_logger()


def allow(captures: int) -> None:
    """Take as many as the system lets, up to a bound, and say so where `captures` at a time may need more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = max(soft, min(hard, MOST))
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed < captures * FOR_A_CAPTURE:
        log.warning(
            "the limit of open files is low for ENGINE_CONCURRENCY: pages that take many connections may fail others",
            allowed=allowed,
            wanted=captures * FOR_A_CAPTURE,
        )
