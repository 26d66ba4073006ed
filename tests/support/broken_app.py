"""Our application with a WSGI app that raises, so that only gunicorn can handle the error."""

from app import create_app


def _fail(*_):
    raise RuntimeError("broken")


app = create_app()
app.wsgi_app = _fail
