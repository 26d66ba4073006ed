"""The file of pictures that have left the memory of a process, and what is kept in memory for it."""

import os
import random
from datetime import UTC, datetime
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from model import Key, Picture
from tests.support.processes import output_of
from thumbnails import DiskRing, LocalTier, disk
from thumbnails import memory as memory_module
from thumbnails.memory import PictureMemory


class Tracked:
    epoch = 1


def key(number):
    return Key(f"digest {number}", f"canonical {number}")


def picture(number, size=50_000):
    return Picture(random.Random(number).randbytes(size), "image/png", 1, 1, datetime.now(UTC))


def test_the_file_does_not_grow_on_a_full_disk_however_often_that_is_tried(tmp_path, monkeypatch):
    monkeypatch.setattr(disk, "_PAUSE_SECONDS", 0)
    ring, places = DiskRing(tmp_path, 100_000, 1 << 60), []
    for _ in range(30):
        ring.write(bytes(10_000), places.append)
    assert os.fstat(ring._file.fileno()).st_blocks == 0
    assert set(places) == {None}
    assert ring.used == 0
    ring.close()


def test_a_file_system_that_cannot_say_what_it_has_is_logged_once(tmp_path, monkeypatch):
    ring, places = DiskRing(tmp_path, 100_000, 0), []
    for _ in range(5):
        ring.write(bytes(10_000), places.append)

    def refuse(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "preadv", refuse)
    with capture_logs() as logs:
        assert [ring.read(place) for place in places] == [None] * 5
    assert len(logs) == 1


def test_a_read_that_fails_does_not_wait_for_writes():
    work = """
places = []

def slow(*_):
    import time
    monkey.get_original("time", "sleep")(1.5)

ring.write(bytes(1000), places.append)
gevent.sleep(0.2)
ring._write = slow
for _ in range(3):
    ring.write(bytes(1000), lambda _: None)
gevent.sleep(0.1)

def refuse(*_):
    raise OSError(5, "Input/output error")

os.preadv = refuse
turns = []
gevent.spawn(turns.append, 1)
assert ring.read(places[0]) is None
print(len(turns), flush=True)
os._exit(0)  # without the writes that wait
"""
    assert output_of(GEVENT % 100_000 + work).split()[-1] == "0"


def test_nothing_is_read_or_written_after_the_end(tmp_path):
    ring, places = DiskRing(tmp_path, 100_000, 0), []
    ring.write(bytes(10_000), places.append)
    ring.close()
    assert ring.read(places[0]) is None
    ring.write(bytes(10_000), places.append)
    assert places[1] is None


GEVENT = """
from gevent import monkey
monkey.patch_all()
import gevent, os, random, sys, tempfile
from datetime import UTC, datetime
from pathlib import Path
from structlog.testing import capture_logs
from tests.unit.thumbnails.test_disk import Tracked, key, picture
from thumbnails import DiskRing, LocalTier, disk
from thumbnails.memory import PictureMemory

ring = DiskRing(Path(tempfile.mkdtemp()), 1 << 26, 0)
memory = PictureMemory(LocalTier(%s, ring), Tracked())
"""


def test_a_write_that_fails_in_any_way_keeps_no_picture_in_memory():
    work = """
gevent.get_hub().handle_error = lambda *_: None

def fail(*_):
    raise RuntimeError("can't start new thread")

ring._write = fail
for number in range(200):
    memory.remember(key(number), picture(number), key(f"page {number}"), memory.mark())
    gevent.sleep(0.001)
gevent.sleep(0.1)
print(sum(len(each.picture.body) for each in memory._on_disk.values() if each.picture))
"""
    assert int(output_of(GEVENT % 100_000 + work).split()[-1]) <= 100_000


def test_a_full_disk_is_logged_once_a_minute_where_many_writes_wait():
    work = """
ring = DiskRing(Path(tempfile.mkdtemp()), 1 << 20, 1 << 60)
with capture_logs() as logs:
    for number in range(16):
        ring.write(bytes(1000), lambda _: None)
    gevent.sleep(0.2)
print(len(logs))
"""
    assert int(output_of(GEVENT % 100_000 + work)) == 1


def test_a_large_newcomer_does_not_cost_known_pictures_their_place_on_the_disk():
    """The original of a page is held for seconds, with its pixels."""
    work = """
for number in range(100):
    memory.remember(key(number), picture(number), key(f"page {number}"), memory.mark())
gevent.sleep(0.2)
before = len(memory._probation) + len(memory._on_disk)
memory.remember(key("original"), picture(0, 4_000_000), key("page"))
gevent.sleep(0.5)
print(before - sum(memory.peek(key(number)) is not None for number in range(100)))
"""
    assert int(output_of(GEVENT % 6_000_000 + work)) <= 1


def test_what_is_too_large_for_the_disk_is_not_packed(tmp_path, monkeypatch):
    packed = []
    monkeypatch.setattr(memory_module, "pack", lambda each, _: packed.append(len(each.body)) or b"")
    memory = PictureMemory(LocalTier(5 << 20, DiskRing(tmp_path, 1 << 24)), Tracked())
    for number in range(3):
        memory.remember(key(number), picture(number, 2 << 20), key("page"), memory.mark())
    assert packed == []


def test_a_picture_that_the_disk_would_have_to_read_is_not_waited_for(tmp_path):
    ring, places = DiskRing(tmp_path, 1 << 20, 0), []
    ring.write(bytes(300_000), places.append)
    assert ring.read(places[0]) == bytes(300_000)
    descriptor = ring._file.fileno()
    os.fsync(descriptor)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    if _kind(tmp_path) == "tmpfs":
        pytest.skip("this folder is in memory")
    assert ring.read(places[0]) is None
    ring.close()


def _kind(folder):
    """Return the kind of the file system of a folder."""
    mounts = [line.split() for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines()]
    return max((len(point), kind) for _, point, kind, *_ in mounts if str(folder).startswith(point))[1]


def test_what_is_overwritten_is_not_read(tmp_path):
    rng, ring, written = random.Random(7), DiskRing(tmp_path, 50_000, 0), []
    read = 0
    for _ in range(300):
        value = rng.randbytes(rng.randrange(1, 20_000))
        ring.write(value, lambda extent, value=value: written.append((extent, value)))
        for extent, value in written:
            there = ring.read(extent)
            assert there in (None, value)
            read += there is not None
    assert read > 300, "the last few are there"
    assert 40_000 < ring.used <= 50_000
    ring.close()


def test_a_page_too_large_for_the_disk_is_not_written(tmp_path):
    ring, places = DiskRing(tmp_path, 10 << 20), []
    ring.write(bytes(disk.LARGEST + 1), places.append)
    assert places == [None]
    assert ring.used == 0
