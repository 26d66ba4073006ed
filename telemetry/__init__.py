"""What the processes count and measure for their operator. A metric is moved where the thing happens, like a log line.

`metrics` declares all of them. This package alone knows Prometheus. It imports nothing of ours but the log, so that every
subject, and the engine, may import it.
"""

from telemetry.build import VERSION
from telemetry.metrics import SUBJECTS
from telemetry.server import SAMPLE_SECONDS, publish, publish_last, sample_loop, serve, serve_for_children
from telemetry.tallies import Metric, start_recording

__all__ = [
    "SAMPLE_SECONDS",
    "SUBJECTS",
    "VERSION",
    "Metric",
    "publish",
    "publish_last",
    "sample_loop",
    "serve",
    "serve_for_children",
    "start_recording",
]
