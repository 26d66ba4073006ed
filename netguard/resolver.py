"""What only the machine can tell: the one look-up of a name, in a thread of its own, and which addresses it has."""

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


MOST_LOOKUPS = 32  # at a time; a look-up that hangs keeps its thread, even after its caller has timed out
_LOOKUPS = ThreadPoolExecutor(max_workers=MOST_LOOKUPS, thread_name_prefix="lookup")


_EXHAUSTED = (errno.EMFILE, errno.ENFILE)


class Busy(Exception):
    """A target could not be judged, because no thread or no file descriptor was free."""


def resolve(name: str, lookup: Lookup = system_lookup, timeout: float = LOOKUP_SECONDS) -> tuple[Address, ...]:
    """Look `name` up once, within `timeout` seconds. Returns () if there is no answer, a late one, or too many.

    Raises Busy.
    """
    answer = _LOOKUPS.submit(lambda: list(lookup(name)))
    try:
        return read_answers(answer.result(timeout))
    except UnicodeError:  # no resolver accepts such a name
        return ()
    except (OSError, LookupTimeout) as err:
        if answer.cancel() or err.errno in _EXHAUSTED:
            raise Busy from None
        return ()


def read_answers(answers: Iterable[str]) -> tuple[Address, ...]:
    """Parse a resolver's answers, each once. Returns () if one is not an address, or if there are too many."""
    try:
        addresses = tuple(dict.fromkeys(map(ip_address, answers)))
    except ValueError:
        return ()
    return addresses if len(addresses) <= MAX_ANSWERS else ()


def is_own_address(address: Address) -> bool:
    """Return whether `address` may be this machine's: only such an address can be bound. Sends no packet. Raises Busy."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((str(address), 0))
    except OSError as err:
        if err.errno in _EXHAUSTED:
            raise Busy from None
        return err.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
    return True
