import pytest

from engine.admission.crashes import MEMORY_SECONDS, MEMORY_SIZE, CrashHistory
from engine.errors import PageFailed

URL = "http://example.com/killer"


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_page_that_crashes_two_browsers_alone_is_refused():
    crashes = CrashHistory()
    crashes.record(URL, 1)
    crashes.refuse_crasher(URL)
    crashes.record(URL, 1)
    with pytest.raises(PageFailed):
        crashes.refuse_crasher(URL)
    crashes.refuse_crasher(f"{URL}?other")


def test_a_page_open_during_two_crashes_of_another_is_not_refused():
    crashes = CrashHistory()
    for _ in range(2):
        crashes.record(URL, 2)
    crashes.refuse_crasher(URL)
    crashes.record(URL, 2)
    with pytest.raises(PageFailed):
        crashes.refuse_crasher(URL)


def test_a_crash_is_forgotten_after_five_minutes():
    clock = Clock()
    crashes = CrashHistory(clock)
    crashes.record(URL, 1)
    crashes.record(URL, 1)
    clock.now += MEMORY_SECONDS
    crashes.refuse_crasher(URL)
    crashes.record(URL, 1)
    crashes.refuse_crasher(URL)


def test_the_history_is_bounded_and_the_oldest_entry_is_evicted():
    crashes = CrashHistory()
    for url in (URL, URL, *map(str, range(MEMORY_SIZE))):
        crashes.record(url, 1)
    crashes.refuse_crasher(URL)
    crashes.record("0", 1)
    with pytest.raises(PageFailed):
        crashes.refuse_crasher("0")
