"""What libraries log of an outage of Redis says in one line what to do."""

import logging

import pytest
import redis
import structlog

import logs
from coordination import NoAnswer, log_in_one_line


def logged(error, capsys):
    """Return what is logged when a library fails with `error`."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        logs.configure("json", "WARNING")  # on a higher level, the module keeps no stream
        log_in_one_line()
        logging.getLogger("kombu.message").error("Couldn't ack %r", "a message", exc_info=error)
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        structlog.reset_defaults()
    return capsys.readouterr().err


@pytest.mark.parametrize("error", [redis.ReadOnlyError("You can't write against a replica"), NoAnswer()], ids=repr)
def test_an_outage_is_one_line_that_says_what_to_do(error, capsys):
    said = logged(error, capsys)
    assert said.count("\n") == 1
    assert '"exception"' not in said
    assert f"Couldn't ack 'a message' ({type(error).__name__}" in said
    assert "see docs/operations/redis.md" in said


def test_any_other_error_keeps_its_traceback(capsys):
    assert '"exception":"ValueError: a mistake"' in logged(ValueError("a mistake"), capsys)
