"""Our application, failing where nothing of ours catches it."""

from app import create_app


def _fail(*_):
    raise RuntimeError("broken")


app = create_app()
app.wsgi_app = _fail
