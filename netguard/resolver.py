"""The one look-up of a name, within seconds and in a thread of its own."""

import errno
import socket
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as LookupTimeout
from ipaddress import ip_address

from netguard.addresses import Address

Lookup = Callable[[str], Iterable[str]]

LOOKUP_SECONDS = 2.0
MAX_ANSWERS = 32


def system_lookup(name: str) -> list[str]:
    """Ask the system's resolver for the addresses of `name`. Raises OSError."""
    # Bytes keep Python's IDNA 2003 codec out of it: names are ASCII by now.
    return [str(answer[4][0]) for answer in socket.getaddrinfo(name.encode("ascii"), None, type=socket.SOCK_STREAM)]


MOST_LOOKUPS = 32  # at a time; one that hangs keeps its thread, however long ago its caller gave up
_LOOKUPS = ThreadPoolExecutor(max_workers=MOST_LOOKUPS, thread_name_prefix="lookup")


class Busy(Exception):
    """A look-up could not even begin, for want of a thread or of a descriptor."""


def resolve(name: str, lookup: Lookup = system_lookup, timeout: float = LOOKUP_SECONDS) -> tuple[Address, ...]:
    """Look `name` up once, within `timeout` seconds. Gives () for no answer, too many answers, or a late one.

    Raises Busy.
    """
    answer = _LOOKUPS.submit(lambda: list(lookup(name)))
    try:
        return read_answers(answer.result(timeout))
    except UnicodeError:  # a name that no resolver can be asked for
        return ()
    except (OSError, LookupTimeout) as err:
        if answer.cancel() or err.errno in (errno.EMFILE, errno.ENFILE):
            raise Busy from None
        return ()


def read_answers(answers: Iterable[str]) -> tuple[Address, ...]:
    """Read a resolver's answers as addresses, each once. Gives () where one is no address, or there are too many."""
    try:
        addresses = tuple(dict.fromkeys(map(ip_address, answers)))
    except ValueError:
        return ()
    return addresses if len(addresses) <= MAX_ANSWERS else ()
