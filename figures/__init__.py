"""The last day in figures, as the admin page shows it: what the processes counted, and the slowest and failing pages.

It needs no Prometheus. All of it lies in the Redis of the state, bounded, and expires.
"""

from figures.day import SLOT_SECONDS, DayFigures, Slot, seconds_of
from figures.pages import FailingPage, PageFigures, SlowPage

__all__ = ["SLOT_SECONDS", "DayFigures", "FailingPage", "PageFigures", "Slot", "SlowPage", "seconds_of"]
