"""A failure of a page says what it was, and whether a retry can help: on `/thumb`, `/persist` and jobs alike."""

import pytest

from errors import ThumbnailError
from jobs import CAPTURE, INTERACTIVE, TaskMessage
from tests.support.screenshot_api import picture_with, refuse, running_screenshot_api

PAGE = "https://example.com/"
GONE = refuse(422, "page_status", extras={"page_status": 404, "retryable": False})
DOWN = refuse(422, "page_status", extras={"page_status": 503, "retryable": True})
NO_MATCH = refuse(422, "selector_not_found", extras={"field": "selector", "retryable": False})
ZIP = refuse(422, "not_a_page", extras={"retryable": False})
SLOW = refuse(504, "timeout", extras={"retryable": True})


@pytest.fixture
def engine_api():
    with running_screenshot_api("engine", key="sk_live_test") as server:
        yield server


@pytest.fixture
def web(make_client, engine_api):
    return make_client(capture_api="engine", capture_url=engine_api.url, capture_timeout=5)


@pytest.mark.parametrize(
    ("answer", "code", "detail", "retryable"),
    [
        (GONE, "page_status", "the page answered 404", False),
        (DOWN, "page_status", "the page answered 503", True),
        (NO_MATCH, "selector_not_found", "selector: no element of the page matched the selector", False),
        (ZIP, "not_a_page", "the URL does not lead to a page: it is a file to download, or empty", False),
        (
            SLOW,
            "page_timeout",
            "the page did not load, or did not come to rest, in time; try again later",
            True,
        ),
    ],
)
def test_thumb_and_persist_say_what_the_page_did(web, engine_api, answer, code, detail, retryable):
    engine_api.behave(answer, times=9)
    shown = web.get("/thumb", query_string={"url": PAGE})
    stored = web.post("/persist", json={"url": PAGE})

    for response in (shown, stored):
        said = response.json
        assert (said["code"], said["detail"]) == (code, detail)
        assert response.status_code == (504 if answer is SLOW else 502)
        assert said["retryable"] is retryable


def test_the_page_s_status_is_told_in_the_problem_and_in_a_header_and_is_remembered(web, engine_api):
    engine_api.behave(GONE)
    answers = [web.get("/thumb", query_string={"url": PAGE}) for _ in range(2)]
    shown = web.get("/thumb", query_string={"url": PAGE}, headers={"Accept": "image/*"})

    assert [answer.json["page_status"] for answer in answers] == [404, 404]
    assert [answer.headers["X-Page-Status"] for answer in (*answers, shown)] == ["404"] * 3
    assert shown.headers["X-Error-Code"] == "page_status"
    assert [answer.json["retryable"] for answer in answers] == [False, False]
    assert len(engine_api.calls) == 1


def test_a_page_that_the_engine_has_waited_for_in_vain_is_not_waited_for_again(web, engine_api):
    """The engine's deadline is 25 seconds, and SnapSharp's clients wait for 30."""
    engine_api.behave(SLOW, times=9)

    assert web.get("/thumb", query_string={"url": PAGE}).json["retryable"] is True
    assert len(engine_api.calls) == 1


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (GONE, {"code": "page_status", "page_status": 404, "retryable": False}),
        (NO_MATCH, {"code": "selector_not_found", "retryable": False}),
        (ZIP, {"code": "not_a_page", "retryable": False}),
    ],
)
def test_a_job_gives_up_at_once_on_what_will_not_change(web, engine_api, answer, error):
    engine_api.behave(answer, times=9)
    job = _ended(web)

    assert (job["status"], job["retries"]) == ("failed", 0)
    assert {name: job["error"].get(name) for name in error} == error
    assert ("page_status" in job["error"]) == ("page_status" in error)


def test_a_job_retries_a_page_that_may_recover(web, engine_api):
    engine_api.behave(DOWN, times=9)
    assert _ended(web)["status"] == "pending"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("example.com", "https://example.com/"),
        ("Example.com/a?b", "https://example.com/"),
        ("example.com:8080/a", "https://example.com:8080/"),
    ],
)
def test_a_program_that_names_no_scheme_is_told_the_url_that_was_meant(web, engine_api, written, meant):
    response = web.post("/persist", json={"url": written})

    assert (response.status_code, response.json["code"]) == (400, "invalid_url")
    assert response.json["detail"].endswith(f"write {meant}")
    assert engine_api.calls == []


def test_a_private_name_and_one_that_does_not_exist_get_the_same_answer(web, resolver):
    resolver.answers |= {"private.example.net": ["10.0.0.1"], "nowhere.example.net": []}
    answers = [
        web.get("/thumb", query_string={"url": f"https://{name}.example.net/"}).json for name in ("private", "nowhere")
    ]

    assert [answer.pop("request_id") for answer in answers]
    assert answers[0] == answers[1]
    assert answers[0]["detail"] == "url: the target is not a public web address, or does not exist"


ASKS = {"url": PAGE, "ignore_https_errors": True}


def test_https_errors_are_ignored_only_where_the_operator_allows_it(make_client, engine_api):
    def client(**changes):
        return make_client(capture_api="engine", capture_url=engine_api.url, **changes)

    strict, lenient = client(), client(allow_ignore_https_errors=True)
    refused = [
        strict.get("/thumb", query_string=ASKS),
        strict.post("/persist", json=ASKS),
        strict.post("/screenshots", json=ASKS),
    ]
    contract = [strict.get("/v1/screenshot", query_string=ASKS), strict.post("/v1/screenshot", json=ASKS)]

    for response in contract:
        assert (response.status_code, response.json["error"]) == (400, "validation_error")
        assert response.json["message"].startswith("ignore_https_errors: is not allowed here")
    for response in refused:
        assert (response.status_code, response.json["code"]) == (400, "invalid_option")
        assert response.json["detail"].startswith("ignore_https_errors: ")
        assert "ALLOW_IGNORE_HTTPS_ERRORS=true" in response.json["detail"]
    assert engine_api.calls == []
    assert lenient.get("/thumb", query_string=ASKS).status_code == 200
    assert engine_api.calls[0].params["ignore_https_errors"] == "true"


def test_an_engine_that_does_not_allow_the_option_is_told_apart_from_a_bad_request(make_client, engine_api):
    client = make_client(capture_api="engine", capture_url=engine_api.url, allow_ignore_https_errors=True)
    engine_api.behave(refuse(400, "option_not_allowed", extras={"field": "ignore_https_errors"}))
    response = client.get("/thumb", query_string=ASKS)

    assert (response.status_code, response.json["code"]) == (400, "invalid_option")
    assert response.json["detail"].startswith("ignore_https_errors: is not allowed by the engine")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (refuse(400, "cookie_refused", extras={"field": "cookies"}), "cookies: the browser refuses one of them"),
        (refuse(400, "clip_outside", extras={"field": "clip"}), "clip: lies outside the page"),
        (refuse(400, "validation_error", extras={"field": "click"}), "click: must be a valid CSS selector"),
        (refuse(400, "validation_error", extras={"field": "hide_selectors"}), "hide: must be a valid CSS selector"),
    ],
)
def test_an_option_that_does_not_fit_the_page_is_named_and_is_not_retried(web, engine_api, answer, said):
    engine_api.behave(answer, times=9)
    response = web.get("/thumb", query_string={"url": PAGE})
    job = _ended(web)

    assert (response.status_code, response.json["code"], response.json["detail"]) == (400, "invalid_option", said)
    assert response.json["retryable"] is False
    assert (job["status"], job["retries"], job["error"]["code"]) == ("failed", 0, "invalid_option")


@pytest.mark.parametrize(
    ("answer", "status", "said"),
    [
        (GONE, 502, {"error": "page_status", "retryable": False, "page_status": 404}),
        (DOWN, 502, {"error": "page_status", "retryable": True, "page_status": 503}),
        (ZIP, 502, {"error": "not_a_page", "retryable": False}),
        (SLOW, 504, {"error": "timeout", "retryable": True}),
    ],
)
def test_a_client_of_the_contract_reads_whether_a_retry_can_help_as_from_the_engine(
    web, engine_api, answer, status, said
):
    engine_api.behave(answer, times=9)
    response = web.get("/v1/screenshot", query_string={"url": PAGE})

    assert response.status_code == status
    assert {name: response.json[name] for name in response.json if name not in ("message", "status")} == said
    assert response.headers.get("X-Page-Status") == (str(said["page_status"]) if "page_status" in said else None)


def test_the_status_of_a_page_whose_error_is_shown_is_told_to_a_client_of_the_contract_too(web, engine_api):
    engine_api.behave(picture_with(200, {"X-Thumb-Note": "page-status=404"}))
    response = web.get("/v1/screenshot", query_string={"url": PAGE, "error_pages": "show"})

    assert (response.status_code, response.headers.get("X-Page-Status")) == (200, "404")


def test_a_client_of_the_contract_reads_the_contract_s_name_of_the_option(web, engine_api):
    engine_api.behave(refuse(400, "validation_error", extras={"field": "hide_selectors"}))
    response = web.get("/v1/screenshot", query_string={"url": PAGE, "hide_selectors": "a["})

    assert response.json["message"] == "hide_selectors: must be a valid CSS selector"


def _ended(web):
    """Create a job, do the worker's part of its first turn, and return what `/jobs/{id}` says."""
    id_ = web.post("/screenshots", json={"url": PAGE}).json["job_id"]
    services = web.application.extensions["services"]
    run = services.jobs.store.runs.begin(TaskMessage(CAPTURE, INTERACTIVE, id_, 1))
    try:
        outcome = services.job_pictures.capture(run.job)
    except ThumbnailError as err:
        outcome = err
    services.job_pictures.record_outcome(run, outcome)
    return web.get(f"/jobs/{id_}").json
