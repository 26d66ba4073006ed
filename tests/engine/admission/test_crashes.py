import pytest

from engine.admission.crashes import MEMORY_SECONDS, MEMORY_SIZE, CrashHistory
from engine.errors import PageFailed

URL = "http://example.com/killer"


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_page_is_refused_after_the_second_browser_that_it_had_for_itself():
    suspects = CrashHistory()
    suspects.accuse(URL, 1)
    suspects.check(URL)
    suspects.accuse(URL, 1)
    with pytest.raises(PageFailed):
        suspects.check(URL)
    suspects.check(f"{URL}?other")


def test_one_that_was_beside_the_killer_twice_is_let_off():
    suspects = CrashHistory()
    for _ in range(2):
        suspects.accuse(URL, 2)
    suspects.check(URL)
    suspects.accuse(URL, 2)
    with pytest.raises(PageFailed):
        suspects.check(URL)


def test_it_is_forgotten_after_some_minutes():
    clock = Clock()
    suspects = CrashHistory(clock)
    suspects.accuse(URL, 1)
    suspects.accuse(URL, 1)
    clock.now += MEMORY_SECONDS
    suspects.check(URL)
    suspects.accuse(URL, 1)
    suspects.check(URL)


def test_the_memory_is_bounded_and_the_oldest_goes_first():
    suspects = CrashHistory()
    for url in (URL, URL, *map(str, range(MEMORY_SIZE))):
        suspects.accuse(url, 1)
    suspects.check(URL)
    suspects.accuse("0", 1)
    with pytest.raises(PageFailed):
        suspects.check("0")
