"""What went wrong with a page has a code of its own, and an honest `retryable`."""

import pytest

from tests.engine.page.test_options import body
from tests.support.engine import Engine
from tests.support.site import Site

FILES = {
    "zip": (b"PK\3\4" + bytes(4000), "application/zip"),
    "csv": (b"a,b,c\n1,2,3\n", "text/csv"),
    "docx": (b"PK\3\4" + bytes(400), "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    "attachment": (b"<h1>Report</h1>", "text/html"),
    "mp4": (b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(5000), "video/mp4"),
    "mp3": (b"ID3\3\0\0\0\0\0\0" + b"\xff\xfb\x90\0" * 400, "audio/mpeg"),
}
RAW = {
    "/closes": (b"", "connection_reset", True),
    "/garbage": (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc", "invalid_response", False),
}


def told(answer) -> tuple[int, str, bool]:
    envelope = answer.json()
    return answer.status_code, envelope["error"], envelope["retryable"]


@pytest.mark.parametrize("kind", FILES)
def test_a_file_is_not_a_page(engine: Engine, site: Site, kind: str):
    content, content_type = FILES[kind]
    headers = {"Content-Disposition": "attachment; filename=report.html"} if kind == "attachment" else {}
    url = site.add(f"/file.{kind}", content, content_type=content_type, headers=headers)
    answer = engine.capture(url)
    assert told(answer) == (422, "not_a_page", False)
    what = "of sound or video" if kind in ("mp4", "mp3") else "to download"
    assert answer.json()["message"] == f"the URL is a file {what}, not a page"


@pytest.mark.parametrize("path", RAW)
def test_a_broken_answer_says_how_it_is_broken(engine: Engine, site: Site, path: str):
    content, code, retryable = RAW[path]
    url = site.add(path, content, raw=True, hangs_up=not content)
    assert told(engine.capture(url)) == (422, code, retryable)


def test_a_loop_of_redirects_is_not_retryable(engine: Engine, site: Site):
    url = site.add("/loop", status=302, headers={"Location": "/loop"})
    assert told(engine.capture(url)) == (422, "too_many_redirects", False)


def test_a_closed_port_may_open_again(engine: Engine, closed_port: int):
    answer = engine.capture(f"http://127.0.0.1:{closed_port}/")
    assert told(answer) == (422, "connection_refused", True)
    reason = "its server refused the connection (ERR_CONNECTION_REFUSED)"
    assert answer.json()["message"] == f"the page could not be loaded: {reason}"


def test_a_server_without_tls_is_told_apart(engine: Engine, site: Site):
    answer = engine.capture(f"https://{site.address}/")
    assert told(answer) == (422, "tls_failed", False)
    assert "ERR_SSL_PROTOCOL_ERROR" in answer.json()["message"]


@pytest.mark.parametrize(
    ("status", "retryable"), [(401, False), (404, False), (408, True), (425, True), (429, True), (500, True)]
)
def test_an_error_status_is_told_with_whether_it_may_change(engine: Engine, site: Site, status: int, retryable: bool):
    answer = engine.capture(site.add("/error", "an error page", status=status))
    assert told(answer) == (422, "page_status", retryable)
    assert (answer.json()["page_status"], answer.json()["message"]) == (status, f"the page answered {status}")


@pytest.mark.parametrize(
    ("selector", "message"),
    [("#none", 'no element matched "#none"'), ("#empty", 'the element that matched "#empty" has no size')],
)
def test_a_selector_that_matches_nothing_names_its_option(engine: Engine, site: Site, selector: str, message: str):
    url = site.add("/bare", body("green", "<i id=empty></i>"))
    answer = engine.capture(url, selector=selector)
    assert told(answer) == (422, "selector_not_found", False)
    assert answer.json()["field"] == "selector"
    assert answer.json()["message"] == f"selector: {message}"
