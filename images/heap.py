"""What pictures take of a process' memory goes back to the system as soon as they are freed."""

import ctypes
from contextlib import suppress

LARGE = 512 << 10  # bytes: the pixels of a thumbnail are more, the files of most pictures are less
_M_MMAP_THRESHOLD = -3  # mallopt(3)


def return_large_buffers() -> None:
    """Have glibc map buffers of more than LARGE bytes by themselves, in all threads of this process.

    By default, the first large picture that is freed raises that limit to its own size. Later ones then lie in the heap,
    between small objects that stay: a process of the worker took a fifth more memory, in steps that looked like a leak.
    A rendition takes an eighth more time, since its buffers are new to the process each time.
    """
    with suppress(OSError, AttributeError):  # another libc than glibc
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, LARGE)
