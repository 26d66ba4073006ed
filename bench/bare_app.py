"""The upper limit of Python under our gunicorn: a WSGI function that responds with constant bytes."""

import os
from pathlib import Path

BODY = Path(os.environ["BENCH_PICTURE"]).read_bytes()
HEADERS = [("Content-Type", "image/png"), ("Content-Length", str(len(BODY)))]


def app(_environ, start_response):
    start_response("200 OK", HEADERS)
    return [BODY]


class NoServices:
    """What our gunicorn configuration starts and closes in each worker."""

    def start(self):
        pass

    close = start


app.extensions = {"services": NoServices()}
