"""The real worker, but no connection to Redis that it has lost can be closed: a race in Celery, here every time."""

from celery.worker.consumer import consumer

import worker

app = worker.app


def _fail(_connection, _close):
    raise AttributeError("'NoneType' object has no attribute 'hostname'")


consumer.ignore_errors = _fail
