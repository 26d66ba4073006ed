"""What beat could not send is counted."""

from types import SimpleNamespace

from jobs import BULK, celery_app
from jobs.beat import BoundedScheduler
from telemetry.metrics import BEAT_MESSAGES
from tests.support.processes import free_port


def test_a_message_that_redis_does_not_take_is_counted_as_failed(tmp_path):
    app = celery_app(f"redis://127.0.0.1:{free_port()}/0")
    app.conf.broker_transport_options = app.conf.broker_transport_options | {"max_retries": 1}
    app.conf.beat_schedule = {"ours": {"task": "ours", "schedule": 60, "options": {"queue": BULK}}}
    scheduler = BoundedScheduler(app, schedule_filename=str(tmp_path / "schedule"))
    scheduler.apply_entry(SimpleNamespace(name="ours", options={"queue": BULK}))
    scheduler.close()
    assert BEAT_MESSAGES.read() == [[["failed"], 1]]
