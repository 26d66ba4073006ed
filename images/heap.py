"""What pictures take of a process' memory goes back to the system as soon as they are freed."""

import ctypes
from contextlib import suppress

LARGE = 512 << 10  # bytes: the pixels of a thumbnail are more, the files of most pictures are less
VERY_LARGE = 15 << 20  # bytes: of a picture of more than four million pixels, Pillow holds each part in nearly 16 MiB
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # mallopt(3)


def return_large_buffers(least: int = LARGE) -> None:
    """Have glibc map buffers of `least` bytes and more by themselves, in all threads of this process.

    By default, the first large picture that is freed raises that limit to its own size. Later ones then lie in the heap,
    between small objects that stay: a process of the worker took a fifth more memory, in steps that looked like a leak.
    With LARGE, a rendition takes an eighth more time, since its buffers are new to the process each time. With VERY_LARGE,
    most take as long as before: what a picture of usual size has freed stays for the next one.
    """
    with suppress(OSError, AttributeError):  # another libc than glibc
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, least)
        if least > LARGE:  # glibc would return the end of a heap at once
            mallopt(_M_TRIM_THRESHOLD, 2 * least)
