"""What a process of the worker keeps of the memory that pictures took, in processes of the test's own."""

import platform

import pytest

from tests.support.processes import output_of

# As a worker does: large pictures come and go, and small objects that stay are made meanwhile.
WORK = """
import os

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 2**20

import worker
from celery.signals import worker_process_init
if {begun}:
    worker_process_init.send(None)
kept = [worker]
before = resident()
bytearray(30 << 20)
for _ in range(10):
    pictures = []
    for number in range(40):
        pictures.append(bytearray(1 << 20))
        kept.append(bytearray(8 << 10))
    del pictures
print(resident() - before)
"""


def mebibytes_left(*, begun):
    """Run WORK, as a process of the pool or as any other, and return what it has left of 40 MiB that it used at a time."""
    return int(output_of(WORK.format(begun=begun)))


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another libc has no such setting")
def test_a_process_of_the_worker_gives_back_the_memory_of_pictures_that_it_has_freed():
    assert mebibytes_left(begun=True) <= 12  # three of them are the small objects
    assert mebibytes_left(begun=False) > 30
