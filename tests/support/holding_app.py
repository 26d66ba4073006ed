"""Our application with a path that holds gevent's hub, as a step of 80 ms would."""

import time

from gevent import monkey

from app import create_app

SECONDS = 0.08
_sleep = monkey.get_original("time", "sleep")


def _compute():
    end = time.thread_time() + SECONDS
    while time.thread_time() < end:
        pass


HOLDS = {"/computes": _compute, "/waits": lambda: _sleep(SECONDS), "/yields": lambda: time.sleep(SECONDS)}

app = create_app()
inner = app.wsgi_app


def _hold(environ, start_response):
    HOLDS.get(environ["PATH_INFO"], lambda: None)()
    return inner(environ, start_response)


app.wsgi_app = _hold
