"""No step of a web process holds its other connections, whatever callers and the screenshot API send."""

import io
import json
import os

import pytest
import requests
from PIL import Image

from tests.support.processes import wait_until
from tests.support.watched_web import replay, running_watched_web

PAGE = "http://93.184.216.34/page"
MIB = 1 << 20

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def watched(tmp_path_factory, redis_server):
    with running_watched_web(
        tmp_path_factory.mktemp("web"), redis_server.url, app="tests.support.holding_app:app"
    ) as running:
        yield running


def test_a_step_that_yields_is_not_noticed(watched):
    web, _, steps = watched
    before = steps()
    requests.get(f"{web.url}/yields", timeout=9)
    assert steps() == before


@pytest.mark.parametrize(("step", "line"), [("computes", "in _compute"), ("waits", "in <lambda>")])
def test_a_step_of_80_ms_is_noticed(watched, step, line):
    web, _, steps = watched
    before = steps()

    def is_noticed():
        for path in (step, "live"):
            requests.get(f"{web.url}/{path}", timeout=9)
        return line in steps().removeprefix(before)

    def is_quiet():
        found = steps()
        requests.get(f"{web.url}/yields", timeout=9)
        return steps() == found

    wait_until(is_noticed, "a finding")  # on a loaded machine, the watching thread may have no processor for 80 ms
    wait_until(is_quiet, "the end of what was found late")  # it would be taken for a finding of the next test


def noise(width, height):
    target = io.BytesIO()
    Image.frombytes("RGB", (width, height), os.urandom(3 * width * height)).save(target, "PNG", compress_level=0)
    return target.getvalue()


def flat(width, height):
    target = io.BytesIO()
    Image.new("RGB", (width, height), "red").save(target, "PNG")
    return target.getvalue()


JSON, PDF, PNG = "application/json", "application/pdf", "image/png"
REFUSAL = {"error": "page_failed", "status": 422}
ANSWERS = {
    "24 MiB of noise": (200, lambda: noise(3840, 2160), PNG),
    "a page of 16 million pixels": (200, lambda: flat(1024, 16384), PNG),
    "a PDF that ends with blanks": (200, lambda: b"%PDF-1.7" + b" " * 20 * MIB + b"startxref 8 %%EOF", PDF),
    "a PDF of digits": (200, lambda: b"%PDF-1.7" + b"1" * 20 * MIB + b"\nstartxref\n8\n%%EOF", PDF),
    "bytes without end": (200, lambda: b"\0" * 26 * MIB, PNG),
    "a picture that is cut off": (200, lambda: noise(3000, 2000)[:-20], PNG),
    "a long message": (
        422,
        lambda: json.dumps(REFUSAL | {"message": "http://a.example/?token=" * 200_000}).encode(),
        JSON,
    ),
    "a message of blanks": (422, lambda: json.dumps(REFUSAL | {"message": " " * 4 * MIB}).encode(), JSON),
    "deep JSON": (422, lambda: b"[" * 4 * MIB, JSON),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_no_answer_of_the_screenshot_api_holds_the_hub(watched, name):
    web, api, steps = watched
    status, body, kind = ANSWERS[name]
    target = f"{PAGE}-{list(ANSWERS).index(name)}"
    before = steps()
    api.behave(replay(status, body(), {"Content-Type": kind}), times=9, url=target)
    web.get(target, **({"format": "pdf", "w": None} if kind == PDF else {}))
    assert steps().removeprefix(before) == ""


QUERIES = {
    "a long path": f"url={PAGE}/" + "a/../" * 1000,
    "a long host": "url=http://" + "a." * 2500,
    "many digits": "url=http://" + "9" * 5000,
    "escapes of escapes": f"url={PAGE}" + "%2525" * 1400,
    "many options": f"url={PAGE}&" + "&".join(f"o{n}=1" for n in range(1200)),
    "a long selector": f"url={PAGE}&hide_selectors=" + "," * 7000,
    "a letter that is many": f"url=http://{'%EF%B7%BA' * 700}/",
}


@pytest.mark.parametrize("name", QUERIES)
def test_no_query_holds_the_hub(watched, name):
    web, _, steps = watched
    before = steps()
    requests.get(f"{web.url}/thumb?{QUERIES[name]}", timeout=30)
    assert steps().removeprefix(before) == ""


def test_no_body_holds_the_hub(watched):
    web, _, steps = watched
    before = steps()
    jobs = {"requests": [{"url": f"{PAGE}/{'x' * 1500}-{number}"} for number in range(100)]}
    for body in (json.dumps(jobs), "[" * 100_000, '{"url":' * 30_000, json.dumps({"url": PAGE, "css": "a{}" * 60_000})):
        for path in ("/screenshots", "/thumb", "/persist"):
            requests.post(web.url + path, data=body, headers={"Content-Type": JSON}, timeout=30)
    assert steps().removeprefix(before) == ""
