"""What a caller adds to a page reaches no address that the page could not reach, and none of it is logged."""

import pytest

from tests.support.engine import Engine, eventually
from tests.support.site import Site

INSIDE = "http://127.0.0.1/"  # port 80, which is allowed: only the address is refused
SMALL = {"width": 400, "height": 300, "format": "jpeg"}

SENDING = {
    "fetch": {"js": f"fetch('{INSIDE}', {{mode: 'no-cors'}})"},
    "beacon": {"js": f"navigator.sendBeacon('{INSIDE}', 'x')"},
    "image": {"js": f"new Image().src = '{INSIDE}'"},
    "frame": {"js": f"document.body.append(Object.assign(document.createElement('iframe'), {{src: '{INSIDE}'}}))"},
    "worker": {"js": f"new Worker(URL.createObjectURL(new Blob([`fetch('{INSIDE}')`])))"},
    "socket": {"js": "new WebSocket('ws://127.0.0.1/')"},
    "script": {"js": f"import('{INSIDE}')"},
    "unpoliced": {"js": f"fetch('{INSIDE}', {{mode: 'no-cors'}})", "bypass_csp": True},
    "css-url": {"css": f"body {{ background: url({INSIDE}) }}"},
    "css-import": {"css": f"@import url({INSIDE});"},
    "css-font": {"css": f"@font-face {{ font-family: own; src: url({INSIDE}) }} p {{ font-family: own }}"},
}
LEADING = {
    "location": {"js": f"location = '{INSIDE}'"},
    "form": {
        "js": f"Object.assign(document.body.appendChild(document.createElement('form')), {{action: '{INSIDE}'}}).submit()"
    },
    "link": {"click": "#link"},
    "javascript": {"click": "#script"},
}


def page(site: Site) -> str:
    return site.add(
        "/for-callers-code",
        f"<!doctype html><p>text<p><a id=link href={INSIDE}>x</a><p><a id=script href=\"javascript:location='{INSIDE}'\">x</a>",
    )


def post(engine: Engine, name: str, **options: object):
    return engine.post("/v1/screenshot", json=SMALL | options, headers={"X-Request-ID": f"callers-{name}"})


@pytest.mark.parametrize("name", SENDING)
def test_the_proxy_refuses_what_a_callers_code_sends_inside(engine: Engine, site: Site, name: str):
    answer = post(engine, name, url=page(site), **SENDING[name])
    (event,) = eventually(lambda: [e for e in engine.logged("capture") if e["request_id"] == f"callers-{name}"])
    assert answer.status_code == 200, answer.text
    assert set(event["traffic"]["refused"]) == {"loopback"}


@pytest.mark.parametrize("name", LEADING)
def test_a_callers_code_that_leads_inside_is_a_blocked_url(engine: Engine, site: Site, name: str):
    answer = post(engine, name, url=page(site), **LEADING[name])
    assert (answer.status_code, answer.json()["error"]) == (400, "blocked_url")


def test_code_of_a_caller_is_never_logged(engine: Engine, site: Site):
    """Every line of the engine's log is searched for `s3cret`: see tests/support/leaks.py."""
    for js in ("console.log('s3cret')", "throw 's3cret'", "s3cret(", "location = '/s3cret-and-absent'"):
        post(engine, "secret", url=page(site), js=js, css=".s3cret { color: red }")
    refused = post(engine, "secret", url=page(site), js="s3cret\0", css="")
    assert refused.json()["message"] == "js: must be a script of at most 65536 characters"
