"""Several screenshot APIs in order of preference: which of them takes a picture, what it costs, and who says so."""

import re
import subprocess
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
import redis
from structlog.testing import capture_logs

from jobs import CAPTURE, INTERACTIVE, TaskMessage
from tests.support.screenshot_api import blank, refuse, reset, running_screenshot_api, silence
from tests.support.visitors import PAGE, get

BY = "X-Captured-By"
DOCS = Path(__file__).parents[3] / "docs/operations/failover.md"


@pytest.fixture
def engine():
    with running_screenshot_api("engine") as server:
        yield server


@pytest.fixture
def hosted(api):
    return api


@pytest.fixture
def settings(settings, engine, hosted):
    both = {
        "capture_api": "engine,snapsharp",
        "capture_url": engine.url,
        "snapsharp_url": hosted.url,
        "snapsharp_api_key": "sk_live_test",
    }
    return {name: value for name, value in settings.items() if name != "capture_api_key"} | both


def calls(*apis):
    return [len(api.calls) for api in apis]


def test_the_first_api_takes_the_pictures(client, engine, hosted):
    assert get(client).headers[BY] == "engine"
    assert calls(engine, hosted) == [1, 0]


def test_every_answer_about_a_picture_says_who_took_it(make_client, engine):
    """From the capture, from Redis, in another size, from memory by the fast path, without a body, and as JSON."""
    client = make_client(memory_cache_bytes=1 << 20)
    answers = [get(client), get(make_client()), get(client, w=320), get(client), client.head(f"/thumb?url={PAGE}")]
    tag = {"If-None-Match": answers[0].headers["ETag"]}
    answers += [get(client, headers=tag), get(client, headers=tag | {"Range": "bytes=0-"})]

    assert [answer.headers[BY] for answer in answers] == ["engine"] * 7
    assert get(client, headers={"Accept": "application/json"}).json["captured_by"] == "engine"
    assert client.post("/persist", json={"url": PAGE}).json["captured_by"] == "engine"
    assert client.get("/v1/screenshot", query_string={"url": PAGE}).headers[BY] == "engine"
    assert len(engine.calls) <= 2  # the contract's own defaults are another capture


def test_a_job_says_who_took_its_picture(client):
    id_ = client.post("/screenshots", json={"url": PAGE}).json["job_id"]
    assert "captured_by" not in client.get(f"/jobs/{id_}").json
    built = client.application.extensions["services"]
    run = built.jobs.store.runs.begin(TaskMessage(CAPTURE, INTERACTIVE, id_))
    built.job_pictures.record_outcome(run, built.job_pictures.capture(run.job))

    assert client.get(f"/jobs/{id_}").json["captured_by"] == "engine"
    assert client.get(f"/jobs/{id_}/image").headers[BY] == "engine"


@pytest.mark.parametrize(
    "trouble",
    [
        refuse(503, "unavailable"),
        refuse(503, "resolver_busy"),
        refuse(429, "rate_limited", headers={"Retry-After": "2"}),
        refuse(500, "internal_error"),
        refuse(401, "unauthorized"),
        reset,
    ],
)
def test_the_next_api_takes_over_what_the_first_cannot_take_and_the_caller_pays_once(
    make_client, engine, hosted, trouble
):
    client = make_client(thumb_limit="5 per hour")
    engine.behave(trouble)
    answer = get(client)

    assert (answer.status_code, answer.headers[BY]) == (200, "snapsharp")
    assert answer.headers["RateLimit-Remaining"] == "4"
    assert calls(engine, hosted) == [1, 1]


@pytest.mark.parametrize(
    ("trouble", "code"),
    [
        (refuse(422, "page_status", extras={"page_status": 500, "retryable": True}), "page_status"),
        (refuse(422, "connection_refused"), "connection_refused"),
        (refuse(422, "page_crashed"), "page_crashed"),
        (refuse(422, "some_new_code"), "capture_failed"),
        (refuse(503, "browser_crashed"), "page_crashed"),
        (refuse(504, "timeout"), "page_timeout"),
        (refuse(400, "blocked_url"), "blocked_url"),
        (refuse(400, "validation_error"), "invalid_option"),
        (refuse(400, "option_not_allowed"), "invalid_option"),
    ],
)
def test_what_a_page_brings_about_is_final_and_no_other_api_captures_it(client, engine, hosted, trouble, code):
    engine.behave(trouble)

    assert get(client).json["code"] == code
    assert calls(engine, hosted) == [1, 0]


def test_pages_that_fail_open_no_breaker(client, engine, hosted):
    engine.behave(refuse(422, "page_failed"), times=10)
    for number in range(10):
        get(client, f"https://example.com/{number}")

    assert get(client).headers[BY] == "engine"
    assert calls(engine, hosted) == [11, 0]


def test_a_blank_page_gets_its_second_look_from_the_api_that_took_it(client, engine, hosted):
    engine.behave(refuse(503, "unavailable"))
    hosted.behave(blank, times=2)

    assert get(client).headers[BY] == "snapsharp"
    assert calls(engine, hosted) == [1, 2]


def test_an_api_whose_breaker_is_open_is_not_asked_until_it_works_again(client, engine, hosted):
    engine.behave(refuse(503, "unavailable"), times=5)
    takers = [get(client, f"https://example.com/{number}").headers[BY] for number in range(7)]

    assert takers == ["snapsharp"] * 7
    assert calls(engine, hosted) == [5, 7]


def test_each_api_has_a_breaker_of_its_own(client, engine, hosted):
    hosted.behave(refuse(402, "quota_exceeded", headers={"Retry-After": "600"}))
    engine.behave(refuse(503, "unavailable"), times=2)

    assert get(client, "https://example.com/1").json["code"] == "upstream_unavailable"
    assert get(client, "https://example.com/2").headers[BY] == "engine", "it is retried, as no other stands by"
    assert get(client, "https://example.com/3").headers[BY] == "engine"
    assert calls(engine, hosted) == [4, 1]


def test_while_all_are_down_the_caller_gets_the_one_that_is_back_first(client, engine, hosted):
    engine.behave(refuse(503, "unavailable"), times=99)
    hosted.behave(refuse(402, "quota_exceeded", headers={"Retry-After": "600"}))
    answers = [get(client, f"https://example.com/{number}") for number in range(7)]

    assert {(each.status_code, each.json["code"]) for each in answers} == {(503, "upstream_unavailable")}
    assert int(answers[-1].headers["Retry-After"]) <= 5
    assert calls(engine, hosted) == [1 + 4 * 3, 1], "with retries where no other stands by"


def test_options_that_the_first_lacks_are_taken_by_one_that_has_them(make_client, engine, hosted):
    client = make_client(capture_api="snapsharp,engine")

    assert get(client).headers[BY] == "snapsharp"
    assert get(client, selector="main").headers[BY] == "engine"
    assert calls(engine, hosted) == [1, 1]


def test_an_option_that_no_api_has_is_refused(make_client):
    client = make_client(capture_api="snapsharp", capture_url="", snapsharp_api_key="k")

    assert get(client, selector="main").json["code"] == "invalid_option"


def test_a_page_option_that_the_next_api_lacks_waits_for_the_first(client, engine, hosted):
    engine.behave(refuse(503, "unavailable"), times=3)

    assert get(client, selector="main").json["code"] == "upstream_unavailable"
    assert calls(engine, hosted) == [3, 0]


def test_keys_of_pictures_do_not_depend_on_who_takes_them(make_client, engine, hosted):
    get(make_client())
    other = get(make_client(capture_api="snapsharp,engine"))

    assert (other.headers["X-Cache"], other.headers[BY]) == ("HIT", "engine")
    assert calls(engine, hosted) == [1, 0]


def test_one_deadline_holds_for_all(make_client, engine, hosted):
    """The first does not answer, and is not alive either. What it leaves of the time is for the next."""
    client = make_client(capture_timeout=6)
    engine.healthy = False
    engine.behave(silence)

    assert get(client).headers[BY] == "snapsharp"
    assert calls(engine, hosted) == [1, 1]


def test_bulk_work_waits_for_its_own_api_and_costs_no_other(make_client, engine, hosted):
    client = make_client(bulk_limit="engine:1 per hour,snapsharp:100 per hour")
    for number in (1, 2):
        job = client.post("/screenshots", json={"urls": [f"https://example.com/{number}"]}).json
        id_ = job["jobs"][0]["job_id"]
        built = client.application.extensions["services"]
        run = built.jobs.store.runs.begin(TaskMessage(CAPTURE, "bulk", id_))
        try:
            built.job_pictures.capture(run.job)
        except Exception as err:  # noqa: BLE001 - the test names it
            refusal = err
    assert refusal.code == "rate_limited"
    assert calls(engine, hosted) == [1, 0]


# Costs


def spent(settings):
    with redis.Redis.from_url(settings["redis_url"]) as store:
        (name,) = store.keys("*:costs:*")
        return {api.decode(): int(value) / 1e6 for api, value in store.hgetall(name).items()}


def test_each_call_has_its_price_and_the_day_its_sum(make_client, settings, engine, hosted):
    client = make_client(capture_cost="engine:0,snapsharp:0.004")
    engine.behave(refuse(503, "unavailable"), times=2)
    with capture_logs() as logs:
        for number in range(3):
            get(client, f"https://example.com/{number}")

    assert calls(engine, hosted) == [3, 2]
    assert spent(settings) == {"snapsharp": 0.008}
    paid = [entry for entry in logs if entry["event"] == "capture_paid"]
    assert [(entry["api"], entry["price"], entry["today"]) for entry in paid] == [
        ("snapsharp", 0.004, 0.004),
        ("snapsharp", 0.004, 0.008),
    ]


def test_retries_are_paid_too(make_client, settings, hosted):
    client = make_client(capture_api="snapsharp", capture_url="", capture_cost="snapsharp:1")
    hosted.behave(refuse(502), times=2)
    get(client)

    assert spent(settings) == {"snapsharp": 3}


def test_an_api_that_is_too_dear_for_today_is_left_out(make_client, settings, engine, hosted):
    client = make_client(capture_api="snapsharp,engine", capture_cost="snapsharp:0.4", capture_cost_limit="1")
    takers = [get(client, f"https://example.com/{number}").headers[BY] for number in range(4)]

    assert takers == ["snapsharp"] * 2 + ["engine"] * 2
    assert calls(engine, hosted) == [2, 2]
    assert spent(settings) == {"snapsharp": 0.8}


def test_an_api_that_is_too_dear_does_not_stand_by_so_the_first_gets_its_retries(make_client, engine, hosted):
    client = make_client(capture_cost="snapsharp:0.4", capture_cost_limit="0.1")
    engine.behave(refuse(503, "unavailable"))

    assert get(client).headers[BY] == "engine"
    assert calls(engine, hosted) == [2, 0]


def test_the_command_of_the_docs_shows_what_a_day_has_cost(make_client, settings, hosted):
    client = make_client(capture_api="snapsharp", capture_url="", capture_cost="snapsharp:0.004")
    get(client)
    page = DOCS.read_text(encoding="utf-8")
    (command,) = re.findall(r"^docker compose exec state (redis-cli .*)", page, re.MULTILINE)
    program, *words = re.sub(r"\d{4}-\d\d-\d\d", f"{datetime.now(UTC):%Y-%m-%d}", command).split()
    asked = [program, "-u", settings["redis_url"], *words]
    told = subprocess.run(asked, capture_output=True, text=True, check=True).stdout

    assert told.split() == ["snapsharp", "4000"]


def test_where_all_cost_too_much_callers_are_told_when_the_day_ends_and_pay_nothing(make_client, hosted):
    client = make_client(
        capture_api="snapsharp",
        capture_url="",
        capture_cost="snapsharp:1",
        capture_cost_limit="1",
        thumb_limit="5 per hour",
    )
    get(client, "https://example.com/1")
    refused = get(client, "https://example.com/2")

    assert (refused.status_code, refused.json["code"]) == (503, "upstream_quota")
    assert 0 < int(refused.headers["Retry-After"]) <= 86400
    assert len(hosted.calls) == 1
    again = make_client(capture_api="snapsharp", capture_url="", thumb_limit="5 per hour")
    assert get(again, "https://example.com/2").headers["RateLimit-Remaining"] == "3"


def test_calls_at_the_same_time_do_not_exceed_the_limit(make_client, settings, hosted):
    client = make_client(capture_api="snapsharp", capture_url="", capture_cost="snapsharp:1", capture_cost_limit="3")
    app, gate = client.application, threading.Event()
    hosted.hold(gate)
    threads = [
        threading.Thread(target=get, args=(app.test_client(), f"https://example.com/{number}")) for number in range(8)
    ]
    for thread in threads:
        thread.start()
    gate.set()
    for thread in threads:
        thread.join()

    assert (len(hosted.calls), spent(settings)) == (3, {"snapsharp": 3})


def test_without_redis_each_process_keeps_to_the_limit(make_client, hosted):
    client = make_client(
        redis_url="redis://127.0.0.1:1/0",
        capture_api="snapsharp",
        capture_url="",
        capture_cost="snapsharp:1",
        capture_cost_limit="2",
    )
    codes = [get(client, f"https://example.com/{number}").status_code for number in range(3)]

    assert codes == [200, 200, 503]
    assert len(hosted.calls) == 2


# What pages say


def test_a_page_whose_api_does_not_read_it_is_not_captured_again_for_what_it_says(client, engine, hosted):
    engine.behave(refuse(503, "unavailable"))
    answers = [client.get("/meta", query_string={"url": PAGE}) for _ in range(3)]

    assert {(each.status_code, each.json["source"]) for each in answers} == {(200, "picture")}
    assert calls(engine, hosted) == [1, 1]


def test_ready_says_ok_while_one_of_the_apis_responds(client, engine, hosted):
    engine.healthy = False
    assert client.get("/ready").json["capture"] == "ok"
    hosted.healthy = False
    assert client.get("/ready").json["capture"] == "unreachable"
